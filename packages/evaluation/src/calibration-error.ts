import { type ReliabilityBin, type ReliabilityOptions, reliabilityFor } from './reliability.js';

/**
 * Expected calibration error: the distance between confidence and frequency, averaged over the examples,
 *
 *   ECE = Σ_b (n_b / N) |frequency_b − confidence_b|
 *
 * @param probabilities of class 1
 * @throws OptionError for an option out of range, ShapeError when the lengths differ, DataError for no example, a
 * label other than 0 and 1, or a probability outside [0, 1]
 * @see Guo et al. 2017, arXiv:1706.04599, equation 3
 */
export const expectedCalibrationError = (
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  options: ReliabilityOptions = {},
): number => eceOf(reliabilityFor('expectedCalibrationError', probabilities, labels, options));

/**
 * Maximum calibration error: the largest distance between confidence and frequency of a bin that is not empty.
 *
 * @param probabilities of class 1
 * @throws as `expectedCalibrationError`
 * @see Guo et al. 2017, arXiv:1706.04599, equation 5
 */
export const maximumCalibrationError = (
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  options: ReliabilityOptions = {},
): number => mceOf(reliabilityFor('maximumCalibrationError', probabilities, labels, options));

const distance = ({ confidence, frequency }: ReliabilityBin): number =>
  confidence === null || frequency === null ? 0 : Math.abs(frequency - confidence);

/** ECE of a diagram. */
export function eceOf(bins: readonly ReliabilityBin[]): number {
  let sum = 0;
  let examples = 0;
  for (const bin of bins) {
    sum += bin.count * distance(bin);
    examples += bin.count;
  }
  return sum / examples;
}

/** MCE of a diagram. */
export const mceOf = (bins: readonly ReliabilityBin[]): number =>
  bins.reduce((worst, bin) => Math.max(worst, distance(bin)), 0);
