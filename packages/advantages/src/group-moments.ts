import { expectLength, OptionError } from '@tsrl/core';
import type { VarianceKind } from './moments.js';
import { expectRewards, type Rewards } from './rewards-input.js';

/** Which prompt each response answers, [B]: any ids in any order, so groups may be uneven and interleaved. */
export type GroupIds = ArrayLike<number | string>;

/** Options of {@link groupMoments}. */
export interface GroupMomentsOptions {
  /** `sample` (default) divides by n − 1, and is 0 for a group of one; `population` by n. */
  readonly variance?: VarianceKind;
}

/** The groups of a batch, and what their rewards are like; a `null` reward counts in none of it. */
export interface GroupMoments {
  /** The distinct ids, in the order of their first rows. */
  readonly ids: readonly (number | string)[];
  /** Which of `ids` each row has, [B]. */
  readonly index: Int32Array;
  /** n of each group: how many rewards it has. */
  readonly counts: Int32Array;
  /** Mean of each group; 0 where n is 0. */
  readonly means: Float64Array;
  /** Variance of each group; 0 where it is not defined. */
  readonly variances: Float64Array;
}

/**
 * Mean and variance of the rewards of every group, in two passes. In a group of equal rewards the mean is that reward
 * and the variance 0, both exactly: deviations are taken from the first reward of the group before they are averaged.
 *
 * Differences: verl's `group_mean_std` says mean 0 and deviation 1 of a group of one, and floors the variance.
 *
 * @param rewards [B]
 * @param groups  [B]
 * @throws ShapeError when the lengths differ or are 0, DataError for a reward that is neither finite nor `null`,
 * OptionError for a kind of variance that does not exist
 */
export function groupMoments(
  rewards: Rewards,
  groups: GroupIds,
  { variance = 'sample' }: GroupMomentsOptions = {},
): GroupMoments {
  return momentsOfGroups('groupMoments', rewards, groups, variance);
}

/** The same on behalf of an estimator, whose name its errors bear. */
export function momentsOfGroups(who: string, rewards: Rewards, groups: GroupIds, kind: VarianceKind): GroupMoments {
  if (kind !== 'population' && kind !== 'sample') {
    throw new OptionError(who, 'variance', "'population' or 'sample'", kind);
  }
  expectRewards(who, 'rewards', rewards);
  expectLength(who, 'groups', groups, rewards.length);

  const positions = new Map<number | string, number>();
  const index = Int32Array.from(groups, (id) => {
    const known = positions.get(id);
    if (known !== undefined) return known;
    positions.set(id, positions.size);
    return positions.size - 1;
  });
  const counts = new Int32Array(positions.size);
  const origins = new Float64Array(positions.size);
  const means = new Float64Array(positions.size);
  const variances = new Float64Array(positions.size);
  /** Calls f with the reward of every row that has one, and its group. */
  const forEachReward = (f: (reward: number, group: number) => void): void => {
    index.forEach((group, row) => {
      const reward = rewards[row] as number | null;
      if (reward !== null) f(reward, group);
    });
  };
  forEachReward((reward, group) => {
    if (counts[group] === 0) origins[group] = reward;
    counts[group] = (counts[group] as number) + 1;
    means[group] = (means[group] as number) + (reward - (origins[group] as number));
  });
  means.forEach((sum, group) => {
    means[group] = counts[group] === 0 ? 0 : (origins[group] as number) + sum / (counts[group] as number);
  });
  forEachReward((reward, group) => {
    variances[group] = (variances[group] as number) + (reward - (means[group] as number)) ** 2;
  });
  variances.forEach((squares, group) => {
    const freedom = (counts[group] as number) - (kind === 'sample' ? 1 : 0);
    variances[group] = freedom > 0 ? squares / freedom : 0;
  });
  return { ids: [...positions.keys()], index, counts, means, variances };
}
