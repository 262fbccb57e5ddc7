import { expectLength, expectSameGrid, type Grid, OptionError } from '@tsrl/core';
import type { EstimatorEntry } from './entry.js';
import { drawGroups, drawMask } from './example.js';
import { type GroupInputs, type GroupOptions, relativeToGroup } from './group-relative.js';
import { expectMask } from './masked-input.js';
import { expectEpsilon, NEGLIGIBLE_VARIANCE, type VarianceKind, weightedMoments } from './moments.js';
import type { AdvantageResult } from './result.js';
import { tokensPerRow } from './tokens-per-row.js';
import { whiten } from './whiten.js';

/** Inputs of {@link reinforcePlusPlusBaseline}. */
export interface ReinforcePlusPlusBaselineInputs extends GroupInputs {
  /** 1 where a token counts, [B, T]. */
  readonly mask: Grid;
}

/** Options of {@link reinforcePlusPlusBaseline}. */
export interface ReinforcePlusPlusBaselineOptions extends GroupOptions {
  /** What the statistics count: every token (default), so that long responses weigh more, or every response once. */
  readonly unit?: 'tokens' | 'responses';
  /** Of the whitening. Default `sample`. */
  readonly variance?: VarianceKind;
  /** Added to the variance under the root; at least 0. Default 1e-8. */
  readonly epsilon?: number;
}

/**
 * The reward above its group, whitened over the batch:
 *
 *   c_i = r_i − mean of the group,   A_i = (c_i − mean) / √(variance + ε)
 *
 * mean and variance over the batch, each response as often as it has tokens. A `null` reward or a response without
 * tokens counts in no statistic of the batch and gets 0. A variance of at most 1e-12 gives 0 everywhere. `spread`
 * brings the advantages to the tokens.
 *
 * Metrics: `groups`, `singletonGroups`, `equalGroups`, `missingRewards`, `mean` and `std` of c, `whitened` 1 or 0,
 * `emptyRows` without a token.
 *
 * Differences: verl leaves the reward of a group of one as it is (`singleton: 'raw'`). OpenRLHF takes
 * `variance: 'population'`; other implementations `unit: 'responses'`.
 *
 * @returns advantages [B]
 * @throws OptionError for an option out of range, ShapeError when sizes differ or there is no response, DataError when
 * the mask is not 0 or 1, or for a reward that is neither finite nor `null`
 * @see Hu et al. 2025, arXiv:2501.03262
 */
export function reinforcePlusPlusBaseline(
  { rewards, groups, mask }: ReinforcePlusPlusBaselineInputs,
  {
    unit = 'tokens',
    variance: kind = 'sample',
    epsilon = 1e-8,
    singleton = 'zero',
  }: ReinforcePlusPlusBaselineOptions = {},
): AdvantageResult<Float64Array> {
  const who = 'reinforcePlusPlusBaseline';
  if (unit !== 'tokens' && unit !== 'responses') throw new OptionError(who, 'unit', "'tokens' or 'responses'", unit);
  expectEpsilon(who, epsilon);
  expectSameGrid(who, { mask });
  expectLength(who, 'rewards', rewards, mask.rows);
  expectMask(who, mask);

  const { advantages, metrics } = relativeToGroup(who, { rewards, groups }, { singleton }, (r, { mean }) => r - mean);
  const column = (data: Float64Array): Grid => ({ rows: mask.rows, columns: 1, data });
  const centered = column(advantages);
  const lengths = tokensPerRow(mask);
  const weights = column(lengths.map((n, row) => (rewards[row] === null ? 0 : unit === 'tokens' ? n : Math.min(n, 1))));
  const { mean, variance } = weightedMoments(who, 'advantages', centered, weights, kind);
  return {
    advantages: whiten(centered, weights, { variance: kind, epsilon }).data,
    metrics: {
      ...metrics,
      mean,
      std: Math.sqrt(variance),
      whitened: variance > NEGLIGIBLE_VARIANCE ? 1 : 0,
      emptyRows: lengths.filter((n) => n === 0).length,
    },
  };
}

export const reinforcePlusPlusBaselineEntry: EstimatorEntry<ReinforcePlusPlusBaselineInputs> = {
  name: 'reinforcePlusPlusBaseline',
  formula: 'A = whitened over all tokens: r − mean of the group',
  citation: 'arXiv:2501.03262',
  laws: ['group-shift-invariant', 'shift-invariant', 'scale-invariant'],
  example: (shape, rng) => ({ ...drawGroups(shape, rng), mask: drawMask(shape, rng) }),
  estimate: (inputs) => reinforcePlusPlusBaseline(inputs),
};
