export { auroc } from './auroc.js';
export { averagePrecision } from './average-precision.js';
export {
  type BinaryMetrics,
  type BinaryMetricsOptions,
  binaryMetrics,
  binaryMetricsOfProbabilities,
} from './binary-metrics.js';
export { expectedCalibrationError, maximumCalibrationError } from './calibration-error.js';
export { chooseThreshold } from './choose-threshold.js';
export { type ConfidentNoiseRates, confidentNoiseRates, type OutOfFold } from './confident-noise-rates.js';
export { type Confusion, confusion, type ThresholdOptions } from './confusion.js';
export { expectFinite } from './expect-finite.js';
export { type ReliabilityBin, type ReliabilityOptions, reliability } from './reliability.js';
export { type RocCurve, rocCurve } from './roc-curve.js';
export { temperature } from './temperature.js';
export { type EstimatedNoiseRates, type TrustedLabels, trustedNoiseRates } from './trusted-noise-rates.js';
