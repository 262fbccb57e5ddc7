import { type Sweep, sweep } from './sweep.js';

/**
 * Area under the ROC curve: the probability that a random positive scores above a random negative, ties counting
 * half,
 *
 *   (sum of the average ranks of the positives − n₁ (n₁ + 1) / 2) / (n₁ n₀)
 *
 * in O(n log n). `null` when a class is missing. Any scores do: only their order counts.
 *
 * @throws ShapeError when the lengths differ, DataError for no example, a label other than 0 and 1, or a score NaN
 */
export const auroc = (scores: ArrayLike<number>, labels: ArrayLike<number>): number | null =>
  aurocOf(sweep('auroc', scores, labels));

/** The rank formula, summed over groups of ties: each negative is below all positives above it and half its equals. */
export function aurocOf({ truePositives, falsePositives, positives, negatives }: Sweep): number | null {
  if (positives === 0 || negatives === 0) return null;
  let wins = 0;
  truePositives.forEach((above, k) => {
    const before = truePositives[k - 1] ?? 0;
    wins += ((falsePositives[k] as number) - (falsePositives[k - 1] ?? 0)) * (before + above);
  });
  return wins / (2 * positives * negatives);
}
