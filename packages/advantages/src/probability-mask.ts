import { expectSameGrid, type Grid, OptionError } from '@tsrl/core';
import { expectFiniteWhere, expectMask } from './masked-input.js';

/** Options of {@link probabilityMask}. */
export interface ProbabilityMaskOptions {
  /** Tokens below this probability are kept; positive. Default 0.9; above 1, all are. */
  readonly threshold?: number;
}

/**
 * The tokens of a mask at which the policy had a choice:
 *
 *   m and π_old(token) < threshold;   the mask itself when no token of the batch is left
 *
 * Segment policy optimization whitens its advantages over these tokens and averages its loss over them.
 *
 * Differences: the reference clears advantages where the probability is above the threshold and keeps those at it, but
 * leaves them out of the loss.
 *
 * @param oldLogProbs of the behaviour policy, [B, T]
 * @param mask        1 where a token counts, [B, T]
 * @returns [B, T]
 * @throws OptionError for a threshold out of range, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when a log-probability that counts is not finite
 * @see Guo et al. 2025, arXiv:2505.23564
 */
export function probabilityMask(
  { oldLogProbs, mask }: { readonly oldLogProbs: Grid; readonly mask: Grid },
  { threshold = 0.9 }: ProbabilityMaskOptions = {},
): Grid {
  if (!(threshold > 0 && threshold < Number.POSITIVE_INFINITY)) {
    throw new OptionError('probabilityMask', 'threshold', 'positive and finite', threshold);
  }
  expectSameGrid('probabilityMask', { oldLogProbs, mask });
  expectMask('probabilityMask', mask);
  expectFiniteWhere('probabilityMask', 'oldLogProbs', oldLogProbs, mask);
  const data = mask.data.map((m, at) => (m === 1 && Math.exp(oldLogProbs.data[at] as number) < threshold ? 1 : 0));
  return { ...mask, data: data.includes(1) ? data : mask.data.slice() };
}
