import { DataError, expectLength, expectSameGrid, type Grid } from '@tsrl/core';
import { discountedReturns } from './discounted-returns.js';
import type { EstimatorEntry } from './entry.js';
import { drawMask, drawResponses, drawTokens } from './example.js';
import { expectFiniteWhere, expectMask } from './masked-input.js';
import type { AdvantageResult } from './result.js';
import { emptyRowsOf } from './tokens-per-row.js';

/** Inputs of {@link remax}; nothing is read where the mask is 0. */
export interface RemaxInputs {
  /** Reward of each token, [B, T]; `placeOutcome` makes them from rewards of responses. */
  readonly rewards: Grid;
  /** b: what the greedy response to the same prompt earned, [B]. */
  readonly baselines: ArrayLike<number>;
  /** 1 where a token counts, [B, T]. */
  readonly mask: Grid;
}

/** Advantages and rewards to go. */
export interface ReturnsResult extends AdvantageResult<Grid> {
  /** [B, T]; 0 where the mask is 0. */
  readonly returns: Grid;
}

/**
 * REINFORCE with the reward of the greedy response as baseline, one more response per prompt:
 *
 *   A_{i,t} = Σ_{s ≥ t} r_{i,s} − b_i   on valid tokens, 0 elsewhere
 *
 * With one reward at the end that is r − b on every token. A response as good as the greedy one gets 0.
 *
 * Metrics: `baseline`, the mean of b, and `emptyRows` without a token.
 *
 * @returns advantages and returns [B, T]
 * @throws ShapeError when sizes differ, DataError when the mask is not 0 or 1, or when a reward that counts or a
 * baseline is not finite
 * @see Li et al. 2023, arXiv:2310.10505
 */
export function remax({ rewards, baselines, mask }: RemaxInputs): ReturnsResult {
  expectSameGrid('remax', { rewards, mask });
  expectLength('remax', 'baselines', baselines, mask.rows);
  expectMask('remax', mask);
  expectFiniteWhere('remax', 'rewards', rewards, mask);
  const unfit = Array.from(baselines).findIndex((b) => !Number.isFinite(b));
  if (unfit >= 0) throw new DataError('remax', `baselines[${unfit}] must be finite; got ${baselines[unfit]}`);

  const returns = discountedReturns({ rewards, mask });
  const data = returns.data.map((R, i) => {
    return mask.data[i] === 1 ? R - (baselines[Math.floor(i / mask.columns)] as number) : 0;
  });
  const baseline = Array.from(baselines).reduce((sum, b) => sum + b, 0) / mask.rows;
  return { advantages: { ...mask, data }, returns, metrics: { baseline, emptyRows: emptyRowsOf(mask) } };
}

export const remaxEntry: EstimatorEntry<RemaxInputs> = {
  name: 'remax',
  formula: 'A = reward to go − reward of the greedy response',
  citation: 'arXiv:2310.10505',
  laws: ['linear'],
  example: (shape, rng) => ({
    rewards: drawTokens(shape, () => rng.normal()),
    baselines: drawResponses(shape, () => rng.normal()),
    mask: drawMask(shape, rng),
  }),
  estimate: (inputs) => remax(inputs),
};
