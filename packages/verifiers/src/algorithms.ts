// One line per idea: what stands here is public, under the law suite, in the benchmarks and in the reference table.
export * from './json-schema.js';
export * from './math-match.js';
export * from './regex-format.js';
