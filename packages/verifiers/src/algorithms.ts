// One line per idea: what stands here is public, under the law suite, in the benchmarks and in the reference table.
