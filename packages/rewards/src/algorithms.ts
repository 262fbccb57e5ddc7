// One line per idea: what stands here is public, under the law suite, in the benchmarks and in the reference table.
export * from './constant-reward.js';
export * from './log-complement.js';
export * from './log-score.js';
export * from './margin.js';
export * from './power.js';
export * from './printed.js';
export * from './prob-reward.js';
export * from './surprise.js';
