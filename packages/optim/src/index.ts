export { constant, cosine, linear, type Schedule, warmup } from '@tsrl/core';
export { type AdamWOptions, adamW } from './adam-w.js';
export { applyUpdates } from './apply-updates.js';
export { chain } from './chain.js';
export { clipByGlobalNorm } from './clip-by-global-norm.js';
export { globalNorm } from './global-norm.js';
export type { GradientTransform, Grads, OptimizerState, TransformResult, Updates } from './gradient-transform.js';
export { type SgdOptions, sgd } from './sgd.js';
