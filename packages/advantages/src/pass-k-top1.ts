import { OptionError } from '@tsrl/core';
import type { EstimatorEntry } from './entry.js';
import { drawGroups } from './example.js';
import { momentsOfGroups } from './group-moments.js';
import { type GroupInputs, type GroupOptions, relativeToGroup } from './group-relative.js';
import { expectEpsilon, NEGLIGIBLE_VARIANCE } from './moments.js';
import type { AdvantageResult } from './result.js';

/** Options of {@link passKTop1}. */
export interface PassKTop1Options extends GroupOptions {
  /** What the lead is divided by: the sample deviation of the `group` (default) or `none`. */
  readonly scale?: 'group' | 'none';
  /** Added to the deviation; at least 0. Default 1e-6. */
  readonly epsilon?: number;
}

/**
 * Only the best response of a group gets an advantage: its lead on the second best, which is what it adds to the
 * maximum of the group:
 *
 *   A_best = (r₍₁₎ − r₍₂₎) / (std + ε),   0 for all others; 0 for all where two are best
 *
 * `passK` is another method of a similar name. Metrics as of `grpo`.
 *
 * Differences: verl (`grpo_passk`) raises for a group of one (`singleton: 'throw'`).
 *
 * @returns advantages [B]
 * @throws OptionError for an option out of range, ShapeError when the lengths differ or are 0, DataError for a reward
 * that is neither finite nor `null`, and for a group of one under `singleton: 'throw'`
 * @see Tang et al. 2025, arXiv:2503.19595
 */
export function passKTop1(
  inputs: GroupInputs,
  { scale = 'group', epsilon = 1e-6, singleton = 'zero' }: PassKTop1Options = {},
): AdvantageResult<Float64Array> {
  if (scale !== 'group' && scale !== 'none') throw new OptionError('passKTop1', 'scale', "'group' or 'none'", scale);
  expectEpsilon('passKTop1', epsilon);
  const { index, ids } = momentsOfGroups('passKTop1', inputs.rewards, inputs.groups, 'sample');
  const best = new Float64Array(ids.length).fill(Number.NEGATIVE_INFINITY);
  const second = best.slice();
  index.forEach((group, row) => {
    const reward = inputs.rewards[row] as number | null;
    if (reward === null) return;
    const leader = best[group] as number;
    second[group] = Math.max(second[group] as number, Math.min(reward, leader));
    best[group] = Math.max(leader, reward);
  });
  return relativeToGroup('passKTop1', inputs, { singleton }, (reward, { count, variance }, group) => {
    if (reward !== best[group]) return 0;
    const lead = count === 1 ? reward : reward - (second[group] as number);
    if (scale === 'none') return lead;
    return variance <= NEGLIGIBLE_VARIANCE ? 0 : lead / (Math.sqrt(variance) + epsilon);
  });
}

export const passKTop1Entry: EstimatorEntry<GroupInputs> = {
  name: 'passKTop1',
  formula: 'A of the best = (best r − second r) / (std + ε) over the group',
  citation: 'arXiv:2503.19595',
  laws: ['group-shift-invariant', 'shift-invariant', 'scale-invariant'],
  example: drawGroups,
  estimate: (inputs) => passKTop1(inputs),
};
