export { type BalanceOptions, balancedIndices, shuffledIndices } from './balance.js';
export { type BalancedBeliefs, balanceBeliefs, sharedIndices } from './balance-beliefs.js';
export { type BayesOptimal, bayesOptimal } from './bayes-optimal.js';
export { type BucketOptions, bucketedBatches } from './bucketed-batches.js';
export { balancedClassWeights, type EffectiveNumberOptions, effectiveClassWeights } from './class-weights.js';
export { type ImbalanceOptions, subsampleToImbalance } from './imbalance.js';
export { flipLabels, type LabelNoise, type NoisyLabels } from './label-noise.js';
export { type BinaryLabel, classCounts, type LabelledText, type RecordedText } from './labelled-text.js';
export { type PadOptions, padTokens, type TokenGrid } from './pad-tokens.js';
export {
  type LabelledColumns,
  parseCsv,
  parseJsonl,
  parseLabelledTexts,
  parseTexts,
  type SourceFile,
  type TextColumn,
} from './parse.js';
export type { TextFormat } from './rows.js';
export { stratifiedSplit } from './split.js';
export { stratifiedFolds } from './stratified-folds.js';
export {
  supportTriage,
  type TriageExample,
  type TriageOptions,
  triageOptimum,
  triagePosterior,
} from './support-triage.js';
