// One line per idea: what stands here is public; what brings an entry is under the law suite, in the benchmarks and in
// the reference table.
export * from './analytic-baseline.js';
export * from './beta-normalizer.js';
export * from './bnpo.js';
export * from './decomposed-bnpo.js';
export * from './discounted-returns.js';
export * from './gae.js';
export * from './normalize-advantages.js';
export * from './place-outcome.js';
export * from './success-rates.js';
export * from './whiten.js';
