import { type Grid, OptionError, zeros } from '@tsrl/core';
import {
  type BootstrappedInputs,
  expectBootstrappedEntries,
  expectBootstrappedShape,
  validTokens,
} from './bootstrapped.js';
import type { EstimatorEntry } from './entry.js';
import { drawTrajectories } from './example-trajectories.js';
import type { GaeResult } from './gae.js';
import { expectUnit, type PerToken, perToken } from './per-token.js';

/** Options of {@link nStep}. */
export interface NStepOptions {
  /** n: rewards that are summed before the value takes over; a whole number of at least 1. Default 5. */
  readonly steps?: number;
  /** Discount γₜ of what follows token t, in [0, 1]: 0 ends an episode. Default 1. */
  readonly gamma?: PerToken;
  /** How much of what follows token t is the return and not the value, in [0, 1]. Default 1: the plain n-step return. */
  readonly lambda?: PerToken;
}

/**
 * n-step returns that bootstrap from the value n valid tokens ahead, and their difference to the value:
 *
 *   Rₜ = rₜ + γ rₜ₊₁ + … + γⁿ⁻¹ rₜ₊ₙ₋₁ + γⁿ Vₜ₊ₙ,   Aₜ = Rₜ − Vₜ
 *
 * Where fewer than n tokens are left, they are summed and the bootstrap takes over. With λ below 1, each of the n steps
 * is Gₜ = rₜ + γₜ ((1 − λₜ) Vₜ₊₁ + λₜ Gₜ₊₁). n = 1 is `gae` with lambda 0, n of at least T with lambda 1. Takes T n
 * operations a row.
 *
 * Metrics: `tokens` that count, `emptyRows` without one, `droppedRewards` that are not 0 but stand where the mask is 0.
 *
 * @throws OptionError for an option out of range, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when an input that counts is not finite
 * @see Mnih et al. 2016, arXiv:1602.01783; `n_step_bootstrapped_returns` of rlax
 */
export function nStep(inputs: BootstrappedInputs, { steps = 5, gamma = 1, lambda = 1 }: NStepOptions = {}): GaeResult {
  if (!(Number.isInteger(steps) && steps >= 1)) {
    throw new OptionError('nStep', 'steps', 'a whole number of at least 1', steps);
  }
  const { rewards, values, mask, bootstrap } = inputs;
  expectBootstrappedShape('nStep', inputs, { gamma, lambda });
  expectBootstrappedEntries('nStep', inputs);
  expectUnit('nStep', { gamma, lambda }, (at) => mask.data[at] === 1);

  const [g, l] = [perToken(gamma, mask), perToken(lambda, mask)];
  const advantages = zeros(mask.rows, mask.columns);
  const returns = zeros(mask.rows, mask.columns);
  let tokens = 0;
  let emptyRows = 0;
  for (let row = 0; row < mask.rows; row++) {
    const valid = validTokens(mask, row);
    const valueAt = (i: number): number =>
      i < valid.length ? (values.data[valid[i] as number] as number) : (bootstrap?.[row] ?? 0);
    tokens += valid.length;
    if (valid.length === 0) emptyRows += 1;
    for (let i = 0; i < valid.length; i++) {
      const end = Math.min(i + steps, valid.length);
      let target = valueAt(end);
      for (let k = end - 1; k >= i; k--) {
        const at = valid[k] as number;
        const decay = l[at] as number;
        target = (rewards.data[at] as number) + (g[at] as number) * ((1 - decay) * valueAt(k + 1) + decay * target);
      }
      const first = valid[i] as number;
      returns.data[first] = target;
      advantages.data[first] = target - (values.data[first] as number);
    }
  }
  return { advantages, returns, metrics: { tokens, emptyRows, droppedRewards: droppedRewards(rewards, mask) } };
}

const droppedRewards = (rewards: Grid, mask: Grid): number =>
  rewards.data.reduce((count, reward, at) => (mask.data[at] === 0 && reward !== 0 ? count + 1 : count), 0);

export const nStepEntry: EstimatorEntry<BootstrappedInputs> = {
  name: 'nStep',
  formula: 'Aₜ = rₜ + γ rₜ₊₁ + … + γⁿ Vₜ₊ₙ − Vₜ',
  citation: 'arXiv:1602.01783',
  laws: ['linear'],
  example: drawTrajectories,
  estimate: (inputs) => nStep(inputs),
};
