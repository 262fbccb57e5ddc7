// What tfjs lacks in Node and on wasm; needed before the first gradient.
import '#gradients';
import './runtime/unsorted-segment-sum.js';

export { type BackendName, backendNames, useBackend } from './backend.js';
export { stopGradient } from './stop-gradient.js';
export type {
  Aggregate,
  BinaryPolicy,
  BinaryScores,
  Loss,
  LossResult,
  PerSequence,
  PerToken,
  StepContext,
  TokenBatch,
} from './types.js';
export { type ValueAndGrads, valueAndGrads } from './value-and-grads.js';
