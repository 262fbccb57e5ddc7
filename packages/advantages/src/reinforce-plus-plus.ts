import { expectSameGrid, type Grid, OptionError } from '@tsrl/core';
import { discountedReturns } from './discounted-returns.js';
import type { EstimatorEntry } from './entry.js';
import { drawMask, drawTokens } from './example.js';
import { expectFiniteWhere, expectMask } from './masked-input.js';
import type { Masking } from './masking.js';
import { expectEpsilon, NEGLIGIBLE_VARIANCE, type VarianceKind, weightedMoments } from './moments.js';
import type { ReturnsResult } from './remax.js';
import { emptyRowsOf } from './tokens-per-row.js';
import { whiten } from './whiten.js';

/** Inputs of {@link reinforcePlusPlus}; nothing is read where the mask is 0. */
export interface ReinforcePlusPlusInputs {
  /** Reward of each token, [B, T]: the outcome on the last one, a penalty −β kl on all. */
  readonly rewards: Grid;
  /** 1 where a token counts, [B, T]; holes allowed. */
  readonly mask: Grid;
}

/** Options of {@link reinforcePlusPlus}. */
export interface ReinforcePlusPlusOptions {
  /** Discount, in [0, 1]. Default 1. */
  readonly gamma?: number;
  /** What holes in the mask mean; `reset`: what is earned behind a hole is not counted before it. Default `skip`. */
  readonly masked?: Masking | 'reset';
  /** Of the whitening. Default `sample`. */
  readonly variance?: VarianceKind;
  /** Added to the variance under the root; at least 0. Default 1e-8. */
  readonly epsilon?: number;
}

/**
 * Rewards to go, whitened over all valid tokens of the batch; no groups and no critic:
 *
 *   R_t = r_t + γ R_{t+1},   A_t = (R_t − mean) / √(variance + ε)
 *
 * Metrics: `mean` and `std` of the rewards to go, `whitened` 1, or 0 where the variance is at most 1e-12 and the
 * advantages are 0, and `emptyRows` without a token.
 *
 * Differences: verl is `masked: 'reset'`. OpenRLHF is `masked: 'zero'` with `variance: 'population'`, which it floors
 * at 1e-8 instead of adding ε.
 *
 * @returns advantages and returns (not whitened) [B, T]
 * @throws OptionError for an option out of range, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when a reward that counts is not finite
 * @see Hu et al. 2025, arXiv:2501.03262
 */
export function reinforcePlusPlus(
  { rewards, mask }: ReinforcePlusPlusInputs,
  { gamma = 1, masked = 'skip', variance: kind = 'sample', epsilon = 1e-8 }: ReinforcePlusPlusOptions = {},
): ReturnsResult {
  const who = 'reinforcePlusPlus';
  if (masked !== 'skip' && masked !== 'zero' && masked !== 'reset') {
    throw new OptionError(who, 'masked', "'skip', 'zero' or 'reset'", masked);
  }
  if (!(gamma >= 0 && gamma <= 1)) throw new OptionError(who, 'gamma', 'in [0, 1]', gamma);
  expectEpsilon(who, epsilon);
  expectSameGrid(who, { rewards, mask });
  expectMask(who, mask);
  expectFiniteWhere(who, 'rewards', rewards, mask);

  const returns =
    masked === 'reset'
      ? returnsWithinRuns(rewards, mask, gamma)
      : discountedReturns({ rewards, mask }, { gamma, masked });
  const { mean, variance } = weightedMoments(who, 'returns', returns, mask, kind);
  return {
    advantages: whiten(returns, mask, { variance: kind, epsilon }),
    returns,
    metrics: {
      mean,
      std: Math.sqrt(variance),
      whitened: variance > NEGLIGIBLE_VARIANCE ? 1 : 0,
      emptyRows: emptyRowsOf(mask),
    },
  };
}

/** Rewards to go within each run of valid tokens. */
function returnsWithinRuns(rewards: Grid, mask: Grid, gamma: number): Grid {
  const data = new Float64Array(mask.data.length);
  for (let at = data.length - 1; at >= 0; at--) {
    if (mask.data[at] !== 1) continue;
    const last = (at + 1) % mask.columns === 0 || mask.data[at + 1] !== 1;
    data[at] = (rewards.data[at] as number) + (last ? 0 : gamma * (data[at + 1] as number));
  }
  return { ...mask, data };
}

export const reinforcePlusPlusEntry: EstimatorEntry<ReinforcePlusPlusInputs> = {
  name: 'reinforcePlusPlus',
  formula: 'A = whitened over all tokens: reward to go',
  citation: 'arXiv:2501.03262',
  laws: ['scale-invariant', 'zero-mean'],
  example: (shape, rng) => ({ rewards: drawTokens(shape, () => rng.normal()), mask: drawMask(shape, rng) }),
  estimate: (inputs) => reinforcePlusPlus(inputs),
};
