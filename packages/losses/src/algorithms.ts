// One line per loss: what stands here is public, under the law suite, in the benchmarks and in the reference table.
export * from './a2po.js';
export * from './bco.js';
export * from './binary-cross-entropy.js';
export * from './cispo.js';
export * from './entropy-bonus.js';
export * from './gpg.js';
export * from './inpo.js';
export * from './kl.js';
export * from './kto.js';
export * from './nash-md.js';
export * from './negative-log-likelihood.js';
export * from './online-dpo.js';
export * from './ppo-clip.js';
export * from './reinforce.js';
export * from './sapo.js';
export * from './value-loss.js';
