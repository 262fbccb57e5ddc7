import { expectSameGrid, type Grid, zeros } from '@tsrl/core';
import { expectFiniteWhere, expectMask } from './masked-input.js';
import { expectRecursion, type Masking } from './masking.js';

/** Inputs of {@link discountedReturns}; nothing is read where the mask is 0. */
export interface DiscountedReturnsInputs {
  /** Reward of each token, [B, T]. */
  readonly rewards: Grid;
  /** 1 where a token counts, [B, T]; holes allowed. */
  readonly mask: Grid;
}

/** Options of {@link discountedReturns}. */
export interface DiscountedReturnsOptions {
  /** Discount, in [0, 1]. Default 1. */
  readonly gamma?: number;
  /** What holes in the mask mean. Default `skip`. */
  readonly masked?: Masking;
}

/**
 * Reward to go, over the valid tokens of each row:
 *
 *   Rₜ = rₜ + γ Rₜ₊₁,   t + 1 the next valid token (`skip`); 0 where the mask is 0
 *
 * It is `gae` with values 0 and lambda 1.
 *
 * Differences: OpenRLHF and HALOs are `zero`: a hole discounts.
 *
 * @returns [B, T]
 * @throws OptionError for an option out of range, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when a reward that counts is not finite
 */
export function discountedReturns(
  { rewards, mask }: DiscountedReturnsInputs,
  { gamma = 1, masked = 'skip' }: DiscountedReturnsOptions = {},
): Grid {
  expectRecursion('discountedReturns', masked, { gamma });
  expectSameGrid('discountedReturns', { rewards, mask });
  expectMask('discountedReturns', mask);
  expectFiniteWhere('discountedReturns', 'rewards', rewards, mask);

  const { rows, columns } = mask;
  const returns = zeros(rows, columns);
  for (let row = 0; row < rows; row++) {
    let next = 0;
    for (let at = (row + 1) * columns - 1; at >= row * columns; at--) {
      if (mask.data[at] === 1) returns.data[at] = next = (rewards.data[at] as number) + gamma * next;
      else if (masked === 'zero') next *= gamma;
    }
  }
  return returns;
}
