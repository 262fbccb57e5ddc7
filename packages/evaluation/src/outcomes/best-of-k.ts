import { DataError, expectLength } from '@tsrl/core';
import { expectFiniteValues } from '../finite-values.js';
import { expectWhole } from '../whole-number.js';
import { noneOf } from './pass-at-k.js';

/**
 * Best-of-k of one item, without bias: the value of the best-scored of k of the n samples, averaged over all C(n, k)
 * subsets. With the scores sorted and F the number of samples that score at most s,
 *
 *   Σ over distinct scores s of mean value at s · (C(F_s, k) − C(F_{s−}, k)) / C(n, k)
 *
 * Of equal scores the first one drawn is taken, in random order. A score of −∞ (an answer that cannot be read) loses
 * against all others. With value = score = correctness it is pass@k.
 *
 * @param scores what the selector sees, of each sample
 * @param values what the sample is worth
 * @throws OptionError for k outside 1 … n, ShapeError when the lengths differ, DataError for no sample, a score NaN, or
 * a value that is not finite
 */
export function bestOfK(scores: ArrayLike<number>, values: ArrayLike<number>, k: number): number {
  expectFiniteValues('bestOfK', 'values', values);
  const n = values.length;
  expectLength('bestOfK', 'scores', scores, n);
  expectWhole('bestOfK', 'k', k, 1, n);
  const groups = new Map<number, { count: number; sum: number }>();
  for (let i = 0; i < n; i++) {
    const score = scores[i] as number;
    if (Number.isNaN(score)) throw new DataError('bestOfK', `scores[${i}] must be a number; got NaN`);
    const { count, sum } = groups.get(score) ?? { count: 0, sum: 0 };
    groups.set(score, { count: count + 1, sum: sum + (values[i] as number) });
  }
  let [best, below, within] = [0, 0, 0];
  for (const [, { count, sum }] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
    below += count;
    const atMost = noneOf(n, n - below, k);
    best += (sum / count) * (atMost - within);
    within = atMost;
  }
  return best;
}
