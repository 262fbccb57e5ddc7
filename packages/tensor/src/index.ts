// What tfjs lacks in Node; needed before the first gradient.
import '#gradients';

export { type GeluOptions, gelu, silu, swiglu } from './activations.js';
export {
  type SequenceSumNormOptions,
  sequenceMean,
  sequenceSum,
  sequenceSumNorm,
  tokenMean,
  tokenSum,
} from './aggregate.js';
export { type BackendName, backendNames, useBackend } from './backend.js';
export { bernoulliEntropy, bernoulliKl, bernoulliLogProbs } from './bernoulli.js';
export {
  type AttentionOptions,
  attentionAt,
  type CausalAttentionOptions,
  causalAttention,
} from './causal-attention.js';
export { causalSoftmax } from './causal-softmax.js';
export { expectSameShape, expectShape } from './check.js';
export { clampTo } from './clamp-to.js';
export { entropy, sumSquaredProbs } from './entropy.js';
export { toGrid, toTensor } from './grid.js';
export { type HighEntropyMaskOptions, highEntropyMask } from './high-entropy-mask.js';
export { type KlEstimator, type KlEstimatorOptions, k1, k2, k3, kAbs, straightThrough } from './kl.js';
export { type FullKlOptions, fullKl } from './kl-full.js';
export { type LinearLogProbsOptions, linearLogProbs, linearTokenStatistics } from './linear-log-probs.js';
export {
  type NextTokenBatch,
  type SelectiveLogSoftmaxOptions,
  selectiveLogSoftmax,
  shiftForNextToken,
} from './log-probs.js';
export { logNormalizer, type TemperatureOptions, type WithoutLast } from './log-probs-normalizer.js';
export {
  type AxisOptions,
  type MaskedVarianceOptions,
  maskedMean,
  maskedSum,
  maskedVariance,
  type WhitenOptions,
  whiten,
  zeroMasked,
} from './masked.js';
export { maskedMax, maskedMin } from './masked-extrema.js';
export { layerNorm, type NormOptions, rmsNorm } from './norms.js';
export { type ResponseMaskOptions, responseMask } from './response-mask.js';
export { type RotaryOptions, rotary } from './rotary.js';
export { scaleBy } from './scale-by.js';
export { stopGradient } from './stop-gradient.js';
export {
  hasTokenGradients,
  linearTokenGradients,
  type TokenGradientOptions,
  type TokenGradients,
  type TokenSlopes,
  tokenGradients,
} from './token-gradients.js';
export { type TokenStatistics, tokenStatistics } from './token-statistics.js';
export type {
  Aggregate,
  BinaryPolicy,
  BinaryScores,
  Loss,
  LossResult,
  PerSequence,
  PerToken,
  ScoreRequest,
  StepContext,
  TokenBatch,
} from './types.js';
export { type ValueAndGrads, valueAndGrads } from './value-and-grads.js';
export { withGradient } from './with-gradient.js';
