import { DataError } from '@tsrl/core';
import { expectClassRows } from './class-rows.js';

/**
 * The Brier score of several classes, mean over the examples of Σₖ (pₖ − 1[y = k])², in [0, 2]. Of two classes it is
 * twice the `brier` of `binaryMetrics`.
 *
 * @param probabilities p[example][class], each row summing to 1 within 1e-6
 * @throws ShapeError when lengths differ, DataError for no example, a label that is no class, a probability outside
 * [0, 1], or a row that does not sum to 1
 * @see Brier 1950, "Verification of forecasts expressed in terms of probability"
 */
export function multiclassBrier(probabilities: readonly ArrayLike<number>[], labels: ArrayLike<number>): number {
  const who = 'multiclassBrier';
  expectClassRows(who, 'probabilities', probabilities, labels);
  let squares = 0;
  probabilities.forEach((row, i) => {
    let sum = 0;
    for (let k = 0; k < row.length; k++) {
      const p = row[k] as number;
      if (!(p >= 0 && p <= 1)) throw new DataError(who, `probabilities[${i}][${k}] must be in [0, 1]; got ${p}`);
      sum += p;
      squares += (p - (labels[i] === k ? 1 : 0)) ** 2;
    }
    if (Math.abs(sum - 1) > 1e-6) throw new DataError(who, `probabilities[${i}] must sum to 1; got ${sum}`);
  });
  return squares / labels.length;
}
