import { OptionError } from '@tsrl/core';
import { expectFiniteValues, meanOf } from '../finite-values.js';

/**
 * Final performance of a run: the mean of the last tenth of its evaluations, rounded up, so at least the last one. The
 * mean of several tells more than the last and, unlike the best, is not chosen after looking.
 *
 * @throws OptionError for a share outside (0, 1], DataError for no evaluation or one that is not finite
 */
export function finalPerformance(
  scores: ArrayLike<number>,
  {
    share = 0.1,
  }: {
    /** Of the evaluations, in (0, 1]. Default 0.1. */
    readonly share?: number;
  } = {},
): number {
  if (!(share > 0 && share <= 1)) throw new OptionError('finalPerformance', 'share', 'in (0, 1]', share);
  expectFiniteValues('finalPerformance', 'scores', scores);
  // 0.07 · 100 is a little more than 7 in floating point: rounding up must not take an eighth.
  const last = Math.max(1, Math.ceil(share * scores.length - 1e-9));
  return meanOf(Array.from(scores).slice(-last));
}
