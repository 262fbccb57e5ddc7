import { DataError, ShapeError } from '@tsrl/core';

/**
 * Matthews correlation of several classes, R_K, from counts by true class t (row) and predicted class p (column):
 *
 *   (c s − Σ pₖ tₖ) / √((s² − Σ pₖ²)(s² − Σ tₖ²)),   c right of s, tₖ of true class k, pₖ predicted as k
 *
 * In [−1, 1]; 0 when one class is all there is, or all that is predicted. Of two classes it is the usual one.
 *
 * @throws ShapeError unless the matrix is square, DataError for no example or a count that is not a whole number
 * @see Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient"
 */
export function matthewsCorrelation(confusion: readonly ArrayLike<number>[]): number {
  const { right, total, product, squaresTrue, squaresPredicted } = marginals('matthewsCorrelation', confusion);
  const scale = Math.sqrt(total ** 2 - squaresPredicted) * Math.sqrt(total ** 2 - squaresTrue);
  return scale === 0 ? 0 : (right * total - product) / scale;
}

/**
 * Cohen's κ from the same counts: (p_o − p_e)/(1 − p_e), with p_o = c/s the agreement and p_e = Σ pₖ tₖ/s² that of
 * chance. `null` when chance agrees always.
 *
 * @throws as `matthewsCorrelation`
 * @see Cohen 1960, "A coefficient of agreement for nominal scales"
 */
export function cohenKappa(confusion: readonly ArrayLike<number>[]): number | null {
  const { right, total, product } = marginals('cohenKappa', confusion);
  return product === total ** 2 ? null : (right * total - product) / (total ** 2 - product);
}

function marginals(who: string, confusion: readonly ArrayLike<number>[]) {
  const classes = confusion.length;
  const [truth, predicted] = [new Float64Array(classes), new Float64Array(classes)];
  let [right, total] = [0, 0];
  confusion.forEach((row, t) => {
    if (row.length !== classes) {
      throw new ShapeError(who, `confusion[${t}]`, `of length ${classes}, one per class`, `length ${row.length}`);
    }
    for (let p = 0; p < classes; p++) {
      const count = row[p] as number;
      if (!(Number.isSafeInteger(count) && count >= 0)) {
        throw new DataError(who, `confusion[${t}][${p}] must be a whole number of at least 0; got ${count}`);
      }
      truth[t]! += count;
      predicted[p]! += count;
      total += count;
      if (t === p) right += count;
    }
  });
  if (total === 0) throw new DataError(who, 'there is no example to evaluate');
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, k) => sum + x * (b[k] as number), 0);
  return {
    right,
    total,
    product: dot(truth, predicted),
    squaresTrue: dot(truth, truth),
    squaresPredicted: dot(predicted, predicted),
  };
}
