import { type Grid, zeros } from '@tsrl/core';
import {
  type BootstrappedInputs,
  expectBootstrappedEntries,
  expectBootstrappedShape,
  validTokens,
} from './bootstrapped.js';
import { expectUnit, type PerToken, perToken } from './per-token.js';

/** Options of {@link lambdaReturns}. */
export interface LambdaReturnsOptions {
  /** Discount γₜ of what follows token t, in [0, 1]: 0 ends an episode. Default 1. */
  readonly gamma?: PerToken;
  /** How much of what follows token t is the return and not the value, in [0, 1]. Default 0.95. */
  readonly lambda?: PerToken;
}

/**
 * λ-returns, the targets of a value function, from the last valid token of each row to the first:
 *
 *   Gₜ = rₜ + γₜ ((1 − λₜ) Vₜ₊₁ + λₜ Gₜ₊₁),   t + 1 the next valid token; 0 where the mask is 0
 *
 * and after the last one V = G = bootstrap. They are the `returns` of {@link gae}, here with γ and λ per token too;
 * with λ = 1 the discounted returns with a bootstrap. The value of the first valid token of a row makes no difference.
 *
 * @returns [B, T]
 * @throws OptionError for an option out of range, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when an input that counts is not finite
 * @see Sutton and Barto 2018, Reinforcement Learning, section 12.1; `lambda_returns` of rlax
 */
export function lambdaReturns(
  inputs: BootstrappedInputs,
  { gamma = 1, lambda = 0.95 }: LambdaReturnsOptions = {},
): Grid {
  const { rewards, values, mask, bootstrap } = inputs;
  expectBootstrappedShape('lambdaReturns', inputs, { gamma, lambda });
  expectBootstrappedEntries('lambdaReturns', inputs);
  expectUnit('lambdaReturns', { gamma, lambda }, (at) => mask.data[at] === 1);

  const [g, l] = [perToken(gamma, mask), perToken(lambda, mask)];
  const returns = zeros(mask.rows, mask.columns);
  for (let row = 0; row < mask.rows; row++) {
    let nextValue = bootstrap?.[row] ?? 0;
    let next = nextValue;
    const valid = validTokens(mask, row);
    for (let i = valid.length - 1; i >= 0; i--) {
      const at = valid[i] as number;
      const decay = l[at] as number;
      next = (rewards.data[at] as number) + (g[at] as number) * ((1 - decay) * nextValue + decay * next);
      nextValue = values.data[at] as number;
      returns.data[at] = next;
    }
  }
  return returns;
}
