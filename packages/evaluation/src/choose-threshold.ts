import { expectProbabilities } from './binary-data.js';
import { sweep } from './sweep.js';

/**
 * The decision threshold of the best balanced accuracy: among 0.5 and the midpoints between neighbouring distinct
 * probabilities; of equally good ones the closest to 0.5, then the smaller. When a class is missing, the rate of the
 * other one decides. Choose it on validation data, never on the data that is reported.
 *
 * @param probabilities of class 1
 * @throws ShapeError when the lengths differ, DataError for no example, a label other than 0 and 1, or a probability
 * outside [0, 1]
 */
export function chooseThreshold(probabilities: ArrayLike<number>, labels: ArrayLike<number>): number {
  expectProbabilities('chooseThreshold', probabilities, labels);
  const { thresholds, truePositives, falsePositives, positives, negatives } = sweep(
    'chooseThreshold',
    probabilities,
    labels,
  );
  // TPR + TNR times n₁ n₀: whole numbers, so that ties are exact.
  const quality = (k: number): number =>
    (truePositives[k] ?? 0) * Math.max(1, negatives) + (negatives - (falsePositives[k] ?? 0)) * Math.max(1, positives);

  let best = 0.5;
  let bestQuality = quality(thresholds.findLastIndex((p) => p >= 0.5));
  for (let k = 0; k + 1 < thresholds.length; k++) {
    const high = thresholds[k] as number;
    const low = thresholds[k + 1] as number;
    const middle = low + (high - low) / 2;
    const candidate = middle > low ? middle : high; // between neighbouring floats there is no middle
    const gain = quality(k) - bestQuality;
    const closer = Math.abs(best - 0.5) - Math.abs(candidate - 0.5);
    if (gain > 0 || (gain === 0 && (closer > 0 || (closer === 0 && candidate < best)))) {
      best = candidate;
      bestQuality = quality(k);
    }
  }
  return best;
}
