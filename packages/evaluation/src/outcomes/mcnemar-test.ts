import { expectWhole } from '../whole-number.js';

/**
 * McNemar's exact test of two classifiers on the same examples, two-sided: of the b examples that only the one gets
 * right and the c that only the other does, either is equally likely if they are equally good,
 *
 *   p = min(1, 2 P(Binomial(b + c, ½) ≤ min(b, c)))
 *
 * and 1 without any. It is about these two trained models: it says nothing about training again.
 *
 * @returns the p-value
 * @throws OptionError unless b and c are whole numbers of at least 0
 * @see McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages"
 */
export function mcnemarTest(b: number, c: number): number {
  expectWhole('mcnemarTest', 'b', b, 0);
  expectWhole('mcnemarTest', 'c', c, 0);
  const n = b + c;
  let logTerm = -n * Math.LN2;
  let tail = 0;
  for (let k = 0; k <= Math.min(b, c); k++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((n - k) / (k + 1));
  }
  return Math.min(1, 2 * tail);
}
