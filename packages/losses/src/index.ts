export type { LinearClassifier } from '@tsrl/linear';
export type { Aggregate, Loss, LossResult, StepContext } from '@tsrl/tensor';
export * from './algorithms.js';
export {
  type ClassMeanShiftOptions,
  type ClassMeans,
  classMeanShift,
  pooledShift,
  type RewardObservation,
  type ShiftTracker,
} from './bco-shift.js';
export type { BinaryInputs } from './binary-loss.js';
export { alphaDivergence, type Divergence, forwardKl, jensenShannon, reverseKl } from './divergence.js';
export type { ExampleShape, LossEntry } from './entry.js';
export { type FromHidden, fromHidden, type HiddenInputs } from './from-hidden.js';
export { type FromLogits, fromLogits, type LogitsInputs } from './from-logits.js';
export { type HumanlineOptions, humanline } from './humanline.js';
export { type ImportanceWeightsOptions, importanceWeights } from './importance-weights.js';
export { type LengthDesensitizedOptions, lengthDesensitized, type PairMasks } from './length-desensitized.js';
export { log1mexp } from './log1mexp.js';

export { type InputsOf, objective, type Terms } from './objective.js';
export { type OffPolicyMaskOptions, offPolicyMask } from './off-policy-mask.js';
export type { PairInputs, PairLengths, PairLogProbs } from './pair.js';
export { type PolicyDiagnostic, policyDiagnostics } from './policy-diagnostics.js';
export type { PolicyInputs, RatioInputs } from './policy-inputs.js';
export { referenceFree } from './reference-free.js';
export { scale } from './scale.js';
export { sequenceLogProbs } from './sequence-log-probs.js';
export { sequenceRatio, sequenceTokenRatio } from './sequence-ratio.js';
export { type SkipLargeRatioOptions, skipLargeRatio } from './skip-large-ratio.js';
export type { TokenInputs } from './token-inputs.js';
export { type TokenTerm, type TokenTerms, tokenTermsOf, withTokenTerms } from './token-terms.js';
export { type TokenWeightedOptions, type TokenWeights, tokenWeighted } from './token-weighted.js';
export {
  type FitPromptClassifierOptions,
  fitPromptClassifier,
  type MatchingInputs,
  type MatchingWeightsOptions,
  matchingWeights,
  type PromptExamples,
  promptProbabilities,
  type SamplePromptsOptions,
  samplePrompts,
} from './underlying-distribution.js';
export type { UnpairedInputs } from './unpaired.js';
export { type WpoInputs, wpoWeights } from './wpo.js';
