import { OptionError } from '@tsrl/core';
import type { EstimatorEntry } from './entry.js';
import { drawGroups } from './example.js';
import { type GroupInputs, type GroupOptions, relativeToGroup } from './group-relative.js';
import { expectEpsilon, NEGLIGIBLE_VARIANCE } from './moments.js';
import type { AdvantageResult } from './result.js';

/** Options of {@link gpg}. */
export interface GpgOptions extends GroupOptions {
  /** F: a number, not 0, or the sample deviation of the group. Default 1. */
  readonly normalizer?: number | 'group';
  /** What alpha corrects for: groups whose rewards are all equal (default), responses of reward 0, or nothing. */
  readonly alpha?: 'unequal-groups' | 'nonzero-rewards' | 'none';
  /** Added to the deviation of the group; at least 0. Default 1e-6. */
  readonly epsilon?: number;
}

/**
 * The centred reward, made larger for the groups that teach nothing and only thin the batch out:
 *
 *   A_i = α (r_i − mean of the group) / F,   α = groups / groups whose rewards are not all equal
 *
 * The loss is plain REINFORCE. Without any such group the advantages are 0. The authors sample again while 1/α is
 * below one half.
 *
 * Metrics: `groups`, `singletonGroups`, `equalGroups`, `missingRewards`, and `alpha`, 0 where there is none.
 *
 * Differences: verl's alpha is the number of responses by that of rewards other than 0 (`nonzero-rewards`), which is
 * not the paper's, and its group of one keeps its reward (`singleton: 'raw'`). A group of one is no unequal group.
 *
 * @returns advantages [B]
 * @throws OptionError for an option out of range, ShapeError when the lengths differ or are 0, DataError for a reward
 * that is neither finite nor `null`, and for a group of one under `singleton: 'throw'`
 * @see Chu et al. 2025, arXiv:2504.02546
 */
export function gpg(
  inputs: GroupInputs,
  { normalizer = 1, alpha: kind = 'unequal-groups', epsilon = 1e-6, singleton = 'zero' }: GpgOptions = {},
): AdvantageResult<Float64Array> {
  if (normalizer !== 'group' && !(Number.isFinite(normalizer) && normalizer !== 0)) {
    throw new OptionError('gpg', 'normalizer', "a finite number other than 0, or 'group'", normalizer);
  }
  if (kind !== 'unequal-groups' && kind !== 'nonzero-rewards' && kind !== 'none') {
    throw new OptionError('gpg', 'alpha', "'unequal-groups', 'nonzero-rewards' or 'none'", kind);
  }
  expectEpsilon('gpg', epsilon);
  const { advantages, metrics } = relativeToGroup('gpg', inputs, { singleton }, (reward, { mean, variance }) => {
    if (normalizer !== 'group') return (reward - mean) / normalizer;
    return variance <= NEGLIGIBLE_VARIANCE ? 0 : (reward - mean) / (Math.sqrt(variance) + epsilon);
  });
  const rewards = Array.from(inputs.rewards).filter((reward) => reward !== null);
  const scoredGroups = new Set(Array.from(inputs.groups).filter((_, row) => inputs.rewards[row] !== null)).size;
  const unequal = scoredGroups - metrics.singletonGroups - metrics.equalGroups;
  const alpha = {
    'unequal-groups': unequal === 0 ? 0 : scoredGroups / unequal,
    'nonzero-rewards': rewards.length / Math.max(1, rewards.filter((reward) => reward !== 0).length),
    none: 1,
  }[kind];
  return { advantages: advantages.map((a) => alpha * a), metrics: { ...metrics, alpha } };
}

export const gpgEntry: EstimatorEntry<GroupInputs> = {
  name: 'gpg',
  formula: 'A = α (r − mean of the group), α = groups / groups of unequal rewards',
  citation: 'arXiv:2504.02546',
  laws: ['group-shift-invariant', 'shift-invariant', 'scale-equivariant', 'zero-mean-per-group'],
  example: drawGroups,
  estimate: (inputs) => gpg(inputs),
};
