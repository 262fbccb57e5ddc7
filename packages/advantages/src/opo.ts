import { expectLength, expectSameGrid, type Grid } from '@tsrl/core';
import type { EstimatorEntry } from './entry.js';
import { drawGroups, drawMask } from './example.js';
import { momentsOfGroups } from './group-moments.js';
import { type GroupInputs, type GroupOptions, relativeToGroup } from './group-relative.js';
import { expectMask } from './masked-input.js';
import type { AdvantageResult } from './result.js';
import { tokensPerRow } from './tokens-per-row.js';

/** Inputs of {@link opo}. */
export interface OpoInputs extends GroupInputs {
  /** 1 where a token counts, [B, T]: n is its sum over a row. */
  readonly mask: Grid;
}

/**
 * The reward above the length-weighted mean of its group,
 *
 *   A_i = r_i − b,   b = Σ_j n_j r_j / Σ_j n_j
 *
 * The baseline of least variance is E[‖g‖² r] / E[‖g‖²], and the squared gradient of a response grows with its length
 * n. For equal lengths it is the mean, as in `drGrpo`; so it is where no response of the group has a token. For
 * strictly on-policy training.
 *
 * Metrics: `groups`, `singletonGroups`, `equalGroups`, `missingRewards`, `emptyRows` and `emptyGroups` without a
 * token.
 *
 * Differences: verl has baseline 0 for a group of one (`singleton: 'raw'`), and divides 0 by 0 for one without tokens.
 *
 * @returns advantages [B]
 * @throws OptionError for an option that does not exist, ShapeError when sizes differ or there is no response,
 * DataError when the mask is not 0 or 1, for a reward that is neither finite nor `null`, and for a group of one under
 * `singleton: 'throw'`
 * @see Hao et al. 2025, arXiv:2505.23585
 */
export function opo(
  { rewards, groups, mask }: OpoInputs,
  { singleton = 'zero' }: GroupOptions = {},
): AdvantageResult<Float64Array> {
  expectSameGrid('opo', { mask });
  expectLength('opo', 'rewards', rewards, mask.rows);
  expectMask('opo', mask);

  const lengths = tokensPerRow(mask);
  const { index, means } = momentsOfGroups('opo', rewards, groups, 'sample');
  const tokens = new Float64Array(means.length);
  /** Σ_j n_j (r_j − mean) of each group: b is the mean and its share of this. */
  const deviations = new Float64Array(means.length);
  index.forEach((group, row) => {
    const reward = rewards[row] as number | null;
    if (reward === null) return;
    const n = lengths[row] as number;
    tokens[group] = (tokens[group] as number) + n;
    deviations[group] = (deviations[group] as number) + n * (reward - (means[group] as number));
  });
  const { advantages, metrics } = relativeToGroup('opo', { rewards, groups }, { singleton }, (reward, own, group) => {
    return reward - own.mean - (deviations[group] as number) / Math.max(1, tokens[group] as number);
  });
  const emptyOf = (counts: Float64Array): number => counts.filter((n) => n === 0).length;
  return { advantages, metrics: { ...metrics, emptyRows: emptyOf(lengths), emptyGroups: emptyOf(tokens) } };
}

export const opoEntry: EstimatorEntry<OpoInputs> = {
  name: 'opo',
  formula: 'A = r − Σ n r / Σ n of the group, n tokens each',
  citation: 'arXiv:2505.23585',
  laws: ['group-shift-invariant', 'shift-invariant', 'scale-equivariant'],
  example: (shape, rng) => ({ ...drawGroups(shape, rng), mask: drawMask(shape, rng) }),
  estimate: (inputs) => opo(inputs),
};
