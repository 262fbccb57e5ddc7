export { performanceProfile } from './aggregates/performance-profile.js';
export {
  interquartileMean,
  meanOverTasks,
  medianOverTasks,
  optimalityGap,
} from './aggregates/point-aggregates.js';
export { probabilityOfImprovement } from './aggregates/probability-of-improvement.js';
export type { Scores } from './aggregates/scores.js';
export { cohenKappa, matthewsCorrelation } from './agreement.js';
export { type AnchorOptions, anchoredNoiseRates } from './anchored-noise-rates.js';
export { auroc } from './auroc.js';
export { averagePrecision } from './average-precision.js';
export {
  type BinaryMetrics,
  type BinaryMetricsOptions,
  binaryMetrics,
  binaryMetricsOfProbabilities,
} from './binary-metrics.js';
export { bayesianBootstrap } from './bootstrap/bayesian-bootstrap.js';
export { type Bootstrap, bootstrap, type ReplicatesOptions } from './bootstrap/bootstrap.js';
export { basicInterval, bcaInterval, percentileInterval } from './bootstrap/bootstrap-intervals.js';
export { combineBootstraps } from './bootstrap/combine-bootstraps.js';
export { type CrossedDesign, crossedBootstrap, type SeedMetric } from './bootstrap/crossed-bootstrap.js';
export type { Interval, LevelOptions } from './bootstrap/interval.js';
export { intervalCaution } from './bootstrap/interval-caution.js';
export { jackknife } from './bootstrap/jackknife.js';
export { quantile } from './bootstrap/quantile.js';
export { type StratifiedOptions, stratifiedBootstrap } from './bootstrap/stratified-bootstrap.js';
export { studentInterval } from './bootstrap/student-interval.js';
export { type BrierDecomposition, brierDecomposition } from './brier-decomposition.js';
export { calibrationBias } from './calibration-bias.js';
export { expectedCalibrationError, maximumCalibrationError } from './calibration-error.js';
export { chooseThreshold } from './choose-threshold.js';
export { collapsed } from './collapsed.js';
export { type ConfidentNoiseRates, confidentNoiseRates, type OutOfFold } from './confident-noise-rates.js';
export { type Confusion, confusion, type ThresholdOptions } from './confusion.js';
export { alignCurves } from './curves/align-curves.js';
export { areaUnderCurve } from './curves/area-under-curve.js';
export { finalPerformance } from './curves/final-performance.js';
export type { LearningCurve } from './curves/learning-curve.js';
export { type SamplesToThreshold, samplesToThreshold } from './curves/samples-to-threshold.js';
export { expectFinite } from './expect-finite.js';
export { fScore } from './f-score.js';
export { type LogLoss, logLoss } from './log-loss.js';
export { majorityBaseline } from './majority-baseline.js';
export { multiclassBrier } from './multiclass-brier.js';
export { bestOfK } from './outcomes/best-of-k.js';
export { clusteredStandardError } from './outcomes/clustered-standard-error.js';
export { type ItemVariance, itemVariance } from './outcomes/item-variance.js';
export { majorityAtK } from './outcomes/majority-at-k.js';
export { mcnemarTest } from './outcomes/mcnemar-test.js';
export { passAtK, passPowerK, type SampleCounts } from './outcomes/pass-at-k.js';
export { wilsonInterval } from './outcomes/wilson-interval.js';
export { type ReliabilityBin, type ReliabilityOptions, reliability } from './reliability.js';
export { type RiskCoverage, riskCoverage } from './risk-coverage.js';
export { type RocCurve, rocCurve } from './roc-curve.js';
export { hedgesG } from './significance/hedges-g.js';
export { holm } from './significance/holm.js';
export { type MannWhitneyTest, mannWhitneyTest } from './significance/mann-whitney-test.js';
export { permutationTest } from './significance/permutation-test.js';
export { signFlipTest } from './significance/sign-flip-test.js';
export type { PermutationOptions, PermutationTest } from './significance/test-options.js';
export { type WelchTest, welchTest } from './significance/welch-test.js';
export { softmaxTemperature } from './softmax-temperature.js';
export { type Suspect, suspects } from './suspects.js';
export { temperature } from './temperature.js';
export { type EstimatedNoiseRates, type TrustedLabels, trustedNoiseRates } from './trusted-noise-rates.js';
