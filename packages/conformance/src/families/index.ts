// One line per file of mappings: every `Family` that it exports is under the command and the tests.
export * from './entropy.js';
export * from './gae.js';
export * from './kl-controller.js';
export * from './kl-penalty.js';
export * from './logprobs.js';
export * from './loss-aggregation.js';
export * from './masked-stats.js';
export * from './policy-loss-vanilla.js';
export * from './preference-bco.js';
export * from './preference-kto.js';
export * from './value-loss.js';
