import { expectLength, expectSameGrid, type Grid } from '@tsrl/core';
import type { EstimatorEntry } from './entry.js';
import { drawGroups, drawMask } from './example.js';
import { momentsOfGroups } from './group-moments.js';
import { type GroupInputs, type GroupOptions, relativeToGroup } from './group-relative.js';
import { expectFiniteWhere, expectMask } from './masked-input.js';
import type { AdvantageResult } from './result.js';
import { drawProbs, type TokenProbs, tokenGradientNorm } from './token-gradient-norm.js';
import { emptyRowsOf } from './tokens-per-row.js';

/** Inputs of {@link optimalBaseline}; no token is read where the mask is 0. */
export interface OptimalBaselineInputs extends GroupInputs, TokenProbs {
  /** 1 where a token counts, [B, T]; holes allowed. */
  readonly mask: Grid;
}

/** Options of {@link optimalBaseline}. */
export interface OptimalBaselineOptions extends GroupOptions {
  /** Whether a response is left out of its own baseline, which makes the gradient unbiased. Default false. */
  readonly leaveOneOut?: boolean;
}

/**
 * The reward above the mean of its group that is weighted by the squared norm of the gradients, which is the baseline
 * of least variance of the policy gradient:
 *
 *   A_i = r_i − b,   b = Σ_j w_j r_j / Σ_j w_j,   w_j = Σ_t (1 − 2 π_jt + Σ_v π_jt(v)²)
 *
 * The bracket is the squared norm of the gradient of log π by the logits of a token; those of different tokens are
 * taken as uncorrelated. For equal weights b is the mean, as in `drGrpo`, or of the others, as in `rloo`; so it is where
 * the weights of a group are all 0. `optimalTokenBaseline` has a baseline for every token.
 *
 * Metrics: `groups`, `singletonGroups`, `equalGroups`, `missingRewards`,
 * `weightlessGroups` whose weights are all 0, and `emptyRows` without a token.
 *
 * Differences: the paper takes the norm of the gradient by the weights of the model, for which this stands.
 *
 * @returns advantages [B]
 * @throws OptionError for an option that does not exist, ShapeError when sizes differ or there is no response,
 * DataError when the mask is not 0 or 1, for a log-probability or square that counts and is not finite, for a reward
 * that is neither finite nor `null`, and for a group of one under `singleton: 'throw'`
 * @see Huang, Sheng and Zheng 2025, arXiv:2511.23310
 */
export function optimalBaseline(
  { rewards, groups, logProbs, sumSquaredProbs, mask }: OptimalBaselineInputs,
  { singleton = 'zero', leaveOneOut = false }: OptimalBaselineOptions = {},
): AdvantageResult<Float64Array> {
  const who = 'optimalBaseline';
  expectSameGrid(who, { logProbs, sumSquaredProbs, mask });
  expectLength(who, 'rewards', rewards, mask.rows);
  expectMask(who, mask);
  expectFiniteWhere(who, 'logProbs', logProbs, mask);
  expectFiniteWhere(who, 'sumSquaredProbs', sumSquaredProbs, mask);

  const weights = gradientNorms(mask, { logProbs, sumSquaredProbs });
  const { index, counts } = momentsOfGroups(who, rewards, groups, 'sample');
  const relative = relativeToGroup(who, { rewards, groups }, { singleton }, (reward, { mean }) => reward - mean);
  const above = relative.advantages;
  const totals = new Float64Array(counts.length);
  /** Σ_j w_j (r_j − mean) of each group: b is the mean and its share of this. */
  const deviations = new Float64Array(counts.length);
  index.forEach((group, row) => {
    if (rewards[row] === null) return;
    totals[group] = (totals[group] as number) + (weights[row] as number);
    deviations[group] = (deviations[group] as number) + (weights[row] as number) * (above[row] as number);
  });
  const advantages = above.map((own, row) => {
    const group = index[row] as number;
    const count = counts[group] as number;
    if (count === 1 || rewards[row] === null) return own;
    const weight = leaveOneOut ? (weights[row] as number) : 0;
    const total = (totals[group] as number) - weight;
    // What rounding leaves of the sum without its largest part weighs nothing.
    if (total > 1e-12 * (totals[group] as number)) return own - ((deviations[group] as number) - weight * own) / total;
    return leaveOneOut ? (own * count) / (count - 1) : own;
  });
  return {
    advantages,
    metrics: {
      ...relative.metrics,
      weightlessGroups: totals.filter((total) => total === 0).length,
      emptyRows: emptyRowsOf(mask),
    },
  };
}

/** w of every row. A bracket is at least (1 − π)²: what rounding makes of it below 0 is 0. */
function gradientNorms(mask: Grid, probs: TokenProbs): Float64Array {
  const norms = new Float64Array(mask.rows);
  for (let row = 0; row < mask.rows; row++) {
    let sum = 0;
    for (let at = row * mask.columns; at < (row + 1) * mask.columns; at++) {
      if (mask.data[at] === 1) sum += Math.max(0, tokenGradientNorm(probs, at));
    }
    norms[row] = sum;
  }
  return norms;
}

export const optimalBaselineEntry: EstimatorEntry<OptimalBaselineInputs> = {
  name: 'optimalBaseline',
  formula: 'A = r − Σ w r / Σ w of the group, w = Σ_t (1 − 2π + Σ π²)',
  citation: 'arXiv:2511.23310',
  laws: ['group-shift-invariant', 'shift-invariant', 'scale-equivariant'],
  example: (shape, rng) => ({ ...drawGroups(shape, rng), ...drawProbs(shape, rng), mask: drawMask(shape, rng) }),
  estimate: (inputs) => optimalBaseline(inputs),
};
