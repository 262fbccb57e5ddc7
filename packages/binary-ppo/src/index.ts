export {
  type ActionRewards,
  enumerateActions,
  labelActions,
  logProbsOfActions,
  rewardsOfActions,
  sampleActions,
} from './actions.js';
export type { Answers } from './answers.js';
export type { Baseline } from './baselines.js';
export {
  type BinaryFeedback,
  type BinaryFeedbackColumns,
  type BinaryFeedbackOptions,
  binaryFeedback,
} from './binary-feedback.js';
export { type BinaryPpo, binaryPpo } from './binary-ppo.js';
export type { BinaryPpoOptions, Coefficient } from './options.js';
export type { BinaryPpoColumns, BinaryPpoObservation } from './prepare.js';
export { adaptive, paper, ppoOnly, stable } from './presets.js';
export { type ReferenceKlInputs, referenceKl } from './reference-kl.js';
export { type Supervised, type SupervisedOptions, supervised } from './supervised.js';
export { type ClippedSurrogateOptions, clippedSurrogate } from './surrogate.js';
export type { BinaryPpoInputs } from './total-loss.js';
