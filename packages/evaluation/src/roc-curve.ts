import { sweep } from './sweep.js';

/** Points of the ROC curve from (0, 0) to (1, 1), one per distinct score, as plain JSON. */
export interface RocCurve {
  /** False positive rate, 1 − specificity, ascending. */
  readonly fpr: readonly number[];
  /** True positive rate, sensitivity, ascending. */
  readonly tpr: readonly number[];
  /** Examples scoring at least this are called positive, descending; `null` at (0, 0), where none is. */
  readonly thresholds: readonly (number | null)[];
}

/**
 * The ROC curve, for drawing; `auroc` is the area under it by trapezoids. `null` when a class is missing.
 *
 * @throws ShapeError when the lengths differ, DataError for no example, a label other than 0 and 1, or a score NaN
 */
export function rocCurve(scores: ArrayLike<number>, labels: ArrayLike<number>): RocCurve | null {
  const { thresholds, truePositives, falsePositives, positives, negatives } = sweep('rocCurve', scores, labels);
  if (positives === 0 || negatives === 0) return null;
  return {
    fpr: [0, ...falsePositives.map((count) => count / negatives)],
    tpr: [0, ...truePositives.map((count) => count / positives)],
    thresholds: [null, ...thresholds],
  };
}
