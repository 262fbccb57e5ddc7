import { OptionError } from '@tsrl/core';
import { expectProbabilities } from './binary-data.js';

/** Counts by label (row) and prediction (column): [[TN, FP], [FN, TP]]. */
export type Confusion = readonly [readonly [number, number], readonly [number, number]];

/** An option of everything that predicts. */
export interface ThresholdOptions {
  /** Examples with at least this probability are predicted 1; in [0, 1]. Default 0.5. */
  readonly threshold?: number;
}

/**
 * The confusion matrix of the predictions 1[p ≥ threshold].
 *
 * @param probabilities of class 1
 * @throws OptionError for a threshold outside [0, 1], ShapeError when the lengths differ, DataError for no example, a
 * label other than 0 and 1, or a probability outside [0, 1]
 */
export function confusion(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  { threshold = 0.5 }: ThresholdOptions = {},
): Confusion {
  expectThreshold('confusion', threshold);
  expectProbabilities('confusion', probabilities, labels);
  return countConfusion(probabilities, labels, threshold);
}

/** The counts, of inputs that were checked. */
export function countConfusion(p: ArrayLike<number>, labels: ArrayLike<number>, threshold: number): Confusion {
  const counts = [0, 0, 0, 0] as [number, number, number, number];
  for (let i = 0; i < labels.length; i++) {
    const predicted = (p[i] as number) >= threshold ? 1 : 0;
    counts[(2 * (labels[i] as number) + predicted) as 0 | 1 | 2 | 3] += 1;
  }
  return [
    [counts[0], counts[1]],
    [counts[2], counts[3]],
  ];
}

/** Throws unless the threshold is in [0, 1]. */
export function expectThreshold(who: string, threshold: number): void {
  if (!(threshold >= 0 && threshold <= 1)) throw new OptionError(who, 'threshold', 'in [0, 1]', threshold);
}
