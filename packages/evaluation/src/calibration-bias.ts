import { type ReliabilityOptions, reliabilityFor } from './reliability.js';

/**
 * Mean confidence minus accuracy: positive when overconfident. It is the signed calibration error of any bins,
 * Σ (n_b/N)(confidence_b − frequency_b), because the signed distances of bins add up; so |bias| ≤ ECE.
 *
 * @param probabilities of class 1
 * @throws OptionError for an option out of range, ShapeError when the lengths differ, DataError for no example, a label
 * other than 0 and 1, or a probability outside [0, 1]
 */
export function calibrationBias(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  options: Pick<ReliabilityOptions, 'kind' | 'threshold'> = {},
): number {
  const [bin] = reliabilityFor('calibrationBias', probabilities, labels, { ...options, bins: 1 });
  return (bin?.confidence as number) - (bin?.frequency as number);
}
