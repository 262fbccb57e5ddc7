// One line per loss: what stands here is public, under the law suite, in the benchmarks and in the reference table.
export * from './bco.js';
export * from './binary-cross-entropy.js';
export * from './entropy-bonus.js';
export * from './kl.js';
export * from './kto.js';
export * from './negative-log-likelihood.js';
export * from './ppo-clip.js';
export * from './value-loss.js';
