import { type Grid, zeros } from '@tsrl/core';
import { type BootstrappedInputs, expectBootstrappedEntries, expectBootstrappedShape } from './bootstrapped.js';
import type { EstimatorEntry } from './entry.js';
import { drawTrajectories } from './example-trajectories.js';
import { expectRecursion, type Masking } from './masking.js';
import type { AdvantageResult } from './result.js';

/** Inputs of {@link gae}; nothing is read where the mask is 0. */
export interface GaeInputs extends BootstrappedInputs {
  /** 1 at a token that ends an episode, for rows that hold several, [B, T]. Nothing flows back across it. */
  readonly terminal?: Grid;
}

/** Options of {@link gae}. */
export interface GaeOptions {
  /** Discount, in [0, 1]. Default 1. */
  readonly gamma?: number;
  /** Decay of the trace, in [0, 1]: 0 one-step errors, 1 Monte Carlo minus the value. Default 0.95. */
  readonly lambda?: number;
  /** What holes in the mask mean. Default `skip`. */
  readonly masked?: Masking;
}

/** Advantages and the targets of the value function. */
export interface GaeResult extends AdvantageResult<Grid> {
  /** Aₜ + Vₜ, before any whitening of the advantages; 0 where the mask is 0. */
  readonly returns: Grid;
}

/**
 * Generalized advantage estimation, from the last token of each row to the first:
 *
 *   δₜ = rₜ + γ Vₜ₊₁ − Vₜ,   Aₜ = δₜ + γ λ Aₜ₊₁,   Rₜ = Aₜ + Vₜ
 *
 * where t + 1 is the next valid token (`skip`), and after the last one V is the bootstrap and A is 0. Advantages are
 * not whitened: `whiten(advantages, mask)`.
 *
 * Metrics: `tokens` that count, `emptyRows` without one, `droppedRewards` that are not 0 but stand where the mask is 0.
 *
 * Differences: verl skips masked tokens too, leaves the running advantage at them, and whitens. OpenRLHF, TRL PPO and
 * HALOs are `zero`. Defaults for lambda: verl 1, TRL 0.95. In `zero`, padding on the right is skipped all the same, so
 * that the bootstrap follows the last valid token; with bootstrap 0, as in those libraries, it makes no difference.
 *
 * @throws OptionError for an option out of range, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when an input that counts is not finite
 * @see Schulman et al. 2015, arXiv:1506.02438, equations 11 to 16
 */
export function gae(inputs: GaeInputs, { gamma = 1, lambda = 0.95, masked = 'skip' }: GaeOptions = {}): GaeResult {
  expectRecursion('gae', masked, { gamma, lambda });
  const { rewards, values, mask, bootstrap, terminal } = inputs;
  expectBootstrappedShape('gae', inputs, { terminal });

  const { rows, columns } = mask;
  const advantages = zeros(rows, columns);
  const returns = zeros(rows, columns);
  const [r, v, m, ends, a, R] = [rewards.data, values.data, mask.data, terminal?.data, advantages.data, returns.data];
  let tokens = 0;
  let emptyRows = 0;
  let droppedRewards = 0;
  let carried = 0; // the sum of what every chain starts from and ends in: not finite if an input that counts is not
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    let at = start + columns - 1;
    for (; at >= start && m[at] === 0; at--) if (r[at] !== 0) droppedRewards += 1;
    if (at < start) {
      emptyRows += 1;
      continue;
    }
    let nextValue = bootstrap ? (bootstrap[row] as number) : 0;
    let nextAdvantage = 0;
    carried += nextValue;
    for (; at >= start; at--) {
      if (m[at] === 1) {
        tokens += 1;
        if (ends && ends[at] !== 0) {
          carried += nextAdvantage;
          nextValue = nextAdvantage = 0;
        }
        const value = v[at] as number;
        nextAdvantage = (r[at] as number) + gamma * (nextValue + lambda * nextAdvantage) - value;
        nextValue = value;
        a[at] = nextAdvantage;
        R[at] = nextAdvantage + value;
      } else {
        if (m[at] !== 0) carried = Number.NaN;
        if (r[at] !== 0) droppedRewards += 1;
        if (masked === 'zero') {
          nextAdvantage = gamma * (nextValue + lambda * nextAdvantage);
          nextValue = 0;
        }
      }
    }
    carried += nextAdvantage;
  }
  // The recursion cannot lose an entry that is not finite: 0 · ∞ is NaN, so no earlier Aₜ is finite then. Hence valid
  // inputs are read once only, and those that overflow pass here too.
  if (!Number.isFinite(carried)) expectBootstrappedEntries('gae', inputs);
  return { advantages, returns, metrics: { tokens, emptyRows, droppedRewards } };
}

export const gaeEntry: EstimatorEntry<GaeInputs> = {
  name: 'gae',
  formula: 'Aₜ = δₜ + γ λ Aₜ₊₁, δₜ = rₜ + γ Vₜ₊₁ − Vₜ',
  citation: 'arXiv:1506.02438',
  laws: ['linear'],
  example: drawTrajectories,
  estimate: (inputs) => gae(inputs),
};
