export * from './algorithms.js';
export {
  type BinaryReward,
  type BinaryRewardInput,
  type CappedOptions,
  type ConfidenceOptions,
  confidenceWeighted,
} from './confidence.js';
export type { ConfidenceEntry, ConfidenceLaw } from './entry.js';
