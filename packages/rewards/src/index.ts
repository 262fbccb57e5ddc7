export { type AfterReasoningOptions, afterReasoning } from './after-reasoning.js';
export * from './algorithms.js';
export { type AnswerLineOptions, answerLine } from './answer-line.js';
export { type BackwardCorrectedOptions, backwardCorrected } from './backward-corrected.js';
export { type BoxedAnswerOptions, boxedAnswer } from './boxed-answer.js';
export { type ChoiceLetterOptions, choiceLetter } from './choice-letter.js';
export {
  type Combine,
  type ComponentScores,
  composed,
  type Rewards,
  type SampleOf,
  scoreComponents,
} from './composed.js';
export {
  type BinaryReward,
  type BinaryRewardInput,
  type CappedOptions,
  type ConfidenceOptions,
  confidenceWeighted,
} from './confidence.js';
export { bayesThreshold, type Costs, costWeighted } from './cost-weighted.js';
export type { ConfidenceEntry, ConfidenceLaw } from './entry.js';
export {
  type Extraction,
  type Extractor,
  extractionFailures,
  firstFound,
  inTail,
  type PickOptions,
  wholeText,
  within,
} from './extraction.js';
export { finalAnswerText } from './final-answer-text.js';
export { type ForwardCorrectedOptions, forwardCorrected } from './forward-corrected.js';
export { type GatedOptions, gated } from './gated.js';
export { type HashAnswerOptions, hashAnswer } from './hash-answer.js';
export { jsonEqual } from './json-equal.js';
export { type LastNumberOptions, lastNumber } from './last-number.js';
export { type LexicographicOptions, lexicographic } from './lexicographic.js';
export { mathText } from './math-text.js';
export { minimum } from './minimum.js';
export { cleanPosterior, type NoiseRates, observedProbability } from './noise-rates.js';
export { type ParsedNumber, parseNumber } from './parse-number.js';
export { type ObservedLabels, posteriorLabels } from './posterior-labels.js';
export {
  aggregateSteps,
  implicitProcessRewards,
  minFormCredit,
  placeSteps,
  potentialShaping,
  type StepRewardsOptions,
  stepRewards,
} from './process-rewards.js';
export { type ProductOptions, product } from './product.js';
export { questionAnswerText } from './question-answer-text.js';
export {
  type AnswerSample,
  type CompletionSample,
  goldAnswers,
  lastAssistantText,
  type Message,
  perSample,
  type Reward,
  type Scores,
  type SyncReward,
} from './reward.js';
export {
  type ComponentDiagnostics,
  clipFraction,
  type DiagnosticsContext,
  type RewardDiagnostics,
  rewardDiagnostics,
} from './reward-diagnostics.js';
export type { RewardEntry, RewardLaw } from './reward-entry.js';
export { type RewardModelOptions, rewardModel, symmetricPreference } from './reward-model.js';
export { type Box, boxIou, multisetJaccard, setF1 } from './set-scores.js';
export {
  type ComponentMoments,
  type ComponentMomentsOptions,
  componentMoments,
  type StandardizedSumOptions,
  standardizedSum,
} from './standardized-sum.js';
export { type TaggedAnswerOptions, taggedAnswer } from './tagged-answer.js';
export { type UncertaintyWeightedOptions, uncertaintyWeighted } from './uncertainty-weighted.js';
export { type WeightOptions, weightedSum } from './weighted-sum.js';
export { type TruncatedSample, type WhenTruncatedOptions, whenTruncated } from './when-truncated.js';
