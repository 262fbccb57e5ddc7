import { DataError, expectLength, expectSameGrid, type Grid, OptionError, zeros } from '@tsrl/core';
import { validTokens } from './bootstrapped.js';
import { discountedReturns } from './discounted-returns.js';
import type { EstimatorEntry } from './entry.js';
import { drawIds, drawMask, drawTokens } from './example.js';
import type { GroupOptions } from './group-relative.js';
import { expectFiniteWhere, expectMask } from './masked-input.js';
import { expectEpsilon } from './moments.js';
import type { AdvantageResult } from './result.js';
import { drawProbs, type TokenProbs, tokenGradientNorm } from './token-gradient-norm.js';

/** Inputs of {@link optimalTokenBaseline}; nothing is read where the mask is 0. */
export interface OptimalTokenBaselineInputs extends TokenProbs {
  /** Reward of each token, [B, T]: `placeOutcome` for one reward per response. */
  readonly rewards: Grid;
  /** 1 where a token counts, [B, T]; holes allowed. */
  readonly mask: Grid;
  /** The prompt of each response, [B]: equal ids, same group. */
  readonly groups: ArrayLike<number | string>;
  /** Importance weight of each token, [B, T], as of `rolloutWeights`; default 1. */
  readonly weights?: Grid;
}

/** Options of {@link optimalTokenBaseline}. */
export interface OptimalTokenBaselineOptions extends GroupOptions {
  /**
   * Which tokens of a group share a baseline: those of equal number among the valid tokens of their rows (`token`,
   * default), or of equal column (`column`). They agree when the masked tokens are padding on the right.
   */
  readonly align?: 'token' | 'column';
  /** Whether the longest response has baseline 0 past the end of the second longest. Default true. */
  readonly zeroTail?: boolean;
  /** Added to the sum of weights; at least 0. Default 1e-8. */
  readonly epsilon?: number;
}

/** Advantages and the rewards to go. */
export interface OptimalTokenBaselineResult extends AdvantageResult<Grid> {
  /** Gₜ, [B, T]; 0 where the mask is 0. */
  readonly returns: Grid;
}

/**
 * Reward to go against the baseline that makes the variance of the policy gradient least, token by token:
 *
 *   A_it = G_it − b_t,   b_t = Σⱼ W_jt G_jt / (Σⱼ W_jt + ε),   W_jt = Σ_{s ≤ t} w_js² (1 − 2 π_js + Σ_v π_js(v)²)
 *
 * over the responses j of the group that have a token t. G is the sum of the rewards from t on; the bracket is the
 * squared norm of the gradient of log π by the logits, so W stands for the squared norm of the gradient up to t.
 *
 * The baseline holds the response's own reward, a bias of order 1 / G. At the tail of the longest response nothing else
 * is left, and the advantage would be 0: with `zeroTail` the baseline is 0 there. The length is the number of valid
 * tokens. A response without others in its group (those without a token are none) has advantage 0, or, with
 * `singleton: 'raw'`, baseline 0.
 *
 * Metrics: `emptyRows` without a token, `singletonGroups` with one response, `tailTokens` whose baseline `zeroTail` set
 * to 0.
 *
 * Differences: verl has two functions, `optimal_token_baseline` (`align: 'column'`, `zeroTail: false` by default) and
 * `tir_optimal_token_baseline` (`align: 'token'`), for responses with tool outputs in between; both `singleton: 'raw'`.
 *
 * @throws OptionError for an option out of range, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when an input that counts is not finite, and for a group of one under `singleton: 'throw'`
 * @see Li et al. 2026, arXiv:2602.07078
 */
export function optimalTokenBaseline(
  inputs: OptimalTokenBaselineInputs,
  { align = 'token', zeroTail = true, epsilon = 1e-8, singleton = 'zero' }: OptimalTokenBaselineOptions = {},
): OptimalTokenBaselineResult {
  if (align !== 'token' && align !== 'column') {
    throw new OptionError('optimalTokenBaseline', 'align', "'token' or 'column'", align);
  }
  expectEpsilon('optimalTokenBaseline', epsilon);
  if (singleton !== 'zero' && singleton !== 'raw' && singleton !== 'throw') {
    throw new OptionError('optimalTokenBaseline', 'singleton', "'zero', 'raw' or 'throw'", singleton);
  }
  expectInputs(inputs);
  const { rewards, mask } = inputs;
  const { rows, columns } = mask;
  const returns = discountedReturns({ rewards, mask });
  const advantages: Grid = { ...returns, data: returns.data.slice() };
  const weights = cumulatedWeights(inputs);

  const valid = Array.from({ length: rows }, (_, row) => validTokens(mask, row));
  const members = membersOf(inputs.groups, valid);
  let singletonGroups = 0;
  let tailTokens = 0;
  for (const group of members) {
    if (group.length === 1) {
      const [row = 0] = group;
      if (singleton === 'throw') {
        throw new DataError('optimalTokenBaseline', `group ${inputs.groups[row]} must have two responses; got one`);
      }
      if (singleton === 'zero') advantages.data.fill(0, row * columns, (row + 1) * columns);
      singletonGroups += 1;
      continue;
    }
    const products = new Float64Array(columns);
    const totals = new Float64Array(columns);
    const slot = (at: number, i: number): number => (align === 'token' ? i : at % columns);
    const each = (row: number, f: (at: number, t: number) => void): void =>
      (valid[row] as Int32Array).forEach((at, i) => {
        f(at, slot(at, i));
      });
    for (const row of group) {
      each(row, (at, t) => {
        const weight = weights[at] as number;
        products[t] = (products[t] as number) + weight * (returns.data[at] as number);
        totals[t] = (totals[t] as number) + weight;
      });
    }
    const lengths = group.map((row) => (valid[row] as Int32Array).length).sort((a, b) => b - a);
    for (const row of group) {
      const longest = (valid[row] as Int32Array).length > (lengths[1] as number);
      each(row, (at, t) => {
        if (zeroTail && longest && t >= (lengths[1] as number)) {
          tailTokens += 1;
          return;
        }
        const total = (totals[t] as number) + epsilon;
        if (total !== 0) advantages.data[at] = (returns.data[at] as number) - (products[t] as number) / total;
      });
    }
  }
  const emptyRows = valid.filter((tokens) => tokens.length === 0).length;
  return { advantages, returns, metrics: { emptyRows, singletonGroups, tailTokens } };
}

/** W at every valid token. */
function cumulatedWeights({ mask, weights, ...probs }: OptimalTokenBaselineInputs): Float64Array {
  const cumulated = zeros(mask.rows, mask.columns).data;
  for (let row = 0; row < mask.rows; row++) {
    let sum = 0;
    for (let at = row * mask.columns; at < (row + 1) * mask.columns; at++) {
      if (mask.data[at] !== 1) continue;
      sum += tokenGradientNorm(probs, at) * (weights ? (weights.data[at] as number) ** 2 : 1);
      cumulated[at] = sum;
    }
  }
  return cumulated;
}

/** The rows of each group that have a token. */
function membersOf(groups: ArrayLike<number | string>, valid: readonly Int32Array[]): readonly (readonly number[])[] {
  const members = new Map<number | string, number[]>();
  valid.forEach((tokens, row) => {
    if (tokens.length === 0) return;
    const group = groups[row] as number | string;
    const rows = members.get(group);
    if (rows) rows.push(row);
    else members.set(group, [row]);
  });
  return [...members.values()];
}

function expectInputs({ rewards, logProbs, sumSquaredProbs, mask, groups, weights }: OptimalTokenBaselineInputs): void {
  const grids = { rewards, logProbs, sumSquaredProbs, ...(weights && { weights }) };
  expectSameGrid('optimalTokenBaseline', { ...grids, mask });
  expectLength('optimalTokenBaseline', 'groups', groups, mask.rows);
  expectMask('optimalTokenBaseline', mask);
  for (const [name, grid] of Object.entries(grids)) expectFiniteWhere('optimalTokenBaseline', name, grid, mask);
}

export const optimalTokenBaselineEntry: EstimatorEntry<OptimalTokenBaselineInputs> = {
  name: 'optimalTokenBaseline',
  formula: 'A = G − Σ W G / Σ W, W = Σ_{s ≤ t} (1 − 2π + Σ π²)',
  citation: 'arXiv:2602.07078',
  laws: ['scale-equivariant'],
  example: (shape, rng) => ({
    rewards: drawTokens(shape, () => rng.normal()),
    ...drawProbs(shape, rng),
    mask: drawMask(shape, rng),
    groups: drawIds(shape),
  }),
  estimate: (inputs) => optimalTokenBaseline(inputs),
};
