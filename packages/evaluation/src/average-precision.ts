import { type Sweep, sweep } from './sweep.js';

/**
 * Average precision: precision at each distinct threshold, descending, weighted by the recall it adds,
 *
 *   AP = Σₖ (Rₖ − Rₖ₋₁) Pₖ
 *
 * without interpolation. `null` when there is no positive. Any scores do: only their order counts.
 *
 * @throws ShapeError when the lengths differ, DataError for no example, a label other than 0 and 1, or a score NaN
 */
export const averagePrecision = (scores: ArrayLike<number>, labels: ArrayLike<number>): number | null =>
  averagePrecisionOf(sweep('averagePrecision', scores, labels));

export function averagePrecisionOf({ truePositives, falsePositives, positives }: Sweep): number | null {
  if (positives === 0) return null;
  let sum = 0;
  truePositives.forEach((above, k) => {
    const gained = above - (truePositives[k - 1] ?? 0);
    sum += (gained * above) / (above + (falsePositives[k] as number));
  });
  return sum / positives;
}
