import { DataError, type Grid, OptionError, zeros } from '@tsrl/core';
import {
  type BootstrappedInputs,
  expectBootstrappedEntries,
  expectBootstrappedShape,
  validTokens,
} from './bootstrapped.js';
import type { EstimatorEntry } from './entry.js';
import { drawTrajectories } from './example-trajectories.js';
import { place } from './masked-input.js';
import { expectUnit, type PerToken, perToken } from './per-token.js';
import type { AdvantageResult } from './result.js';

/** Inputs of {@link vTrace}; nothing is read where the mask is 0. */
export interface VTraceInputs extends BootstrappedInputs {
  /** ρₜ = π(aₜ|sₜ) / μ(aₜ|sₜ): target over behaviour policy, at least 0, [B, T]. */
  readonly ratios: Grid;
}

/** Options of {@link vTrace}. */
export interface VTraceOptions {
  /** Discount γₜ of what follows token t, in [0, 1]: 0 ends an episode. Default 1. */
  readonly gamma?: PerToken;
  /** Decay λₜ of the trace, in [0, 1]. Default 1. */
  readonly lambda?: PerToken;
  /** ρ̄: cap of the ratio that weights an error; decides which value function is learnt. Positive. Default 1. */
  readonly clipRho?: number;
  /** c̄: cap of the ratio that weights the trace; decides how fast. Positive. Default 1. */
  readonly clipTrace?: number;
  /** Cap of the ratio that weights an advantage. Positive. Default 1. */
  readonly clipAdvantage?: number;
  /** α of leaky V-trace, in [0, 1]: ρ̄ and c̄ caps count α, the ratios without caps 1 − α. Default 1. */
  readonly alpha?: number;
}

/** Advantages, and what V-trace estimates of states and actions; 0 where the mask is 0. */
export interface VTraceResult extends AdvantageResult<Grid> {
  /** vₜ: targets of the value function. */
  readonly returns: Grid;
  /** vₜ − Vₜ: importance-corrected temporal-difference errors. */
  readonly errors: Grid;
  /** qₜ: the value of the action taken. */
  readonly actionValues: Grid;
}

/**
 * V-trace: values and advantages of a policy π from tokens of another policy μ.
 *
 *   ρₜ' = α min(ρ̄, ρₜ) + (1 − α) ρₜ,   cₜ = λₜ (α min(c̄, ρₜ) + (1 − α) ρₜ)
 *   eₜ = ρₜ' (rₜ + γₜ Vₜ₊₁ − Vₜ) + γₜ cₜ eₜ₊₁,   vₜ = Vₜ + eₜ
 *   qₜ = rₜ + γₜ ((1 − λₜ) Vₜ₊₁ + λₜ vₜ₊₁),   Aₜ = min(ρ̄_A, ρₜ) (qₜ − Vₜ)
 *
 * where t + 1 is the next valid token, and after the last one V = v = bootstrap. The advantages hold the ratio already:
 * the policy gradient is Σ Aₜ ∇ log π. On policy (ratios 1) the advantages are those of `gae`, with γ and λ per token
 * too. With infinite caps, or alpha 0, the errors are the importance-corrected TD errors of rlax:
 * eₜ = ρₜ (δₜ + γₜ λₜ eₜ₊₁).
 *
 * Metrics: `tokens` that count, `emptyRows` without one, `clipped` the share of tokens whose ratio is above ρ̄.
 *
 * Differences: the paper has λ = 1 in q, as is the default here; for λ below 1 q is that of rlax, which mixes in V.
 * rlax has c̄ = 1 always.
 *
 * @throws OptionError for an option out of range, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when an input that counts is not finite, or a ratio negative
 * @see Espeholt et al. 2018, arXiv:1802.01561, equation 1 and section 4.2; leaky: Zahavy et al. 2020, arXiv:2002.12928
 */
export function vTrace(
  inputs: VTraceInputs,
  { gamma = 1, lambda = 1, clipRho = 1, clipTrace = 1, clipAdvantage = 1, alpha = 1 }: VTraceOptions = {},
): VTraceResult {
  for (const [name, cap] of Object.entries({ clipRho, clipTrace, clipAdvantage })) {
    if (!(cap > 0)) throw new OptionError('vTrace', name, 'positive', cap);
  }
  expectUnit('vTrace', { alpha });
  const { rewards, values, ratios, mask, bootstrap } = inputs;
  expectBootstrappedShape('vTrace', inputs, { ratios, gamma, lambda });
  expectBootstrappedEntries('vTrace', inputs);
  expectUnit('vTrace', { gamma, lambda }, (at) => mask.data[at] === 1);
  expectRatios(ratios, mask);

  const { rows, columns } = mask;
  const [g, l] = [perToken(gamma, mask), perToken(lambda, mask)];
  const leaky = (ratio: number, cap: number): number => (ratio <= cap ? ratio : alpha * cap + (1 - alpha) * ratio);
  const [advantages, returns, errors, actionValues] = [0, 1, 2, 3].map(() => zeros(rows, columns)) as Grids;
  let tokens = 0;
  let emptyRows = 0;
  let clipped = 0;
  for (let row = 0; row < rows; row++) {
    const valid = validTokens(mask, row);
    tokens += valid.length;
    if (valid.length === 0) emptyRows += 1;
    let nextValue = bootstrap?.[row] ?? 0;
    let nextError = 0;
    for (let i = valid.length - 1; i >= 0; i--) {
      const at = valid[i] as number;
      const reward = rewards.data[at] as number;
      const value = values.data[at] as number;
      const ratio = ratios.data[at] as number;
      const discount = g[at] as number;
      const decay = l[at] as number;
      const q = reward + discount * (nextValue + decay * nextError);
      const error =
        leaky(ratio, clipRho) * (reward + discount * nextValue - value) +
        discount * decay * leaky(ratio, clipTrace) * nextError;
      if (ratio > clipRho) clipped += 1;
      actionValues.data[at] = q;
      advantages.data[at] = Math.min(clipAdvantage, ratio) * (q - value);
      errors.data[at] = error;
      returns.data[at] = value + error;
      nextValue = value;
      nextError = error;
    }
  }
  const metrics = { tokens, emptyRows, clipped: clipped / Math.max(1, tokens) };
  return { advantages, returns, errors, actionValues, metrics };
}

type Grids = [Grid, Grid, Grid, Grid];

function expectRatios(ratios: Grid, mask: Grid): void {
  const at = ratios.data.findIndex((ratio, i) => mask.data[i] === 1 && !(ratio >= 0 && ratio < Infinity));
  if (at >= 0) {
    throw new DataError('vTrace', `ratios${place(ratios, at)} must be finite and at least 0; got ${ratios.data[at]}`);
  }
}

export const vTraceEntry: EstimatorEntry<VTraceInputs> = {
  name: 'vTrace',
  formula: 'Aₜ = min(ρ̄, ρₜ) (rₜ + γ vₜ₊₁ − Vₜ), vₜ − Vₜ = min(ρ̄, ρₜ) δₜ + γ min(c̄, ρₜ) (vₜ₊₁ − Vₜ₊₁)',
  citation: 'arXiv:1802.01561',
  laws: [],
  example: (shape, rng) => {
    const trajectories = drawTrajectories(shape, rng);
    const ratios = { ...trajectories.mask, data: trajectories.mask.data.map(() => Math.exp(0.5 * rng.normal())) };
    return { ...trajectories, ratios };
  },
  estimate: (inputs) => vTrace(inputs),
};
