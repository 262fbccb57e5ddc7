import { DataError, OptionError } from '@tsrl/core';
import { type GroupIds, type GroupMoments, momentsOfGroups } from './group-moments.js';
import { NEGLIGIBLE_VARIANCE, type VarianceKind } from './moments.js';
import type { AdvantageResult } from './result.js';
import type { Rewards } from './rewards-input.js';

/** What the estimators over groups take. */
export interface GroupInputs {
  /** Reward of each response, [B]; `null` counts in no statistic and gets advantage 0. */
  readonly rewards: Rewards;
  /** Which prompt each response answers, [B]: any ids in any order; uneven and interleaved groups work. */
  readonly groups: GroupIds;
}

/**
 * What becomes of a response that has no other to be compared with. `zero`: advantage 0. `raw`: its group counts as
 * one of mean 0 and deviation 1, so that the advantage is the reward (verl). `throw`: a DataError.
 */
export type Singleton = 'zero' | 'raw' | 'throw';

/** Options of every estimator over groups. */
export interface GroupOptions {
  /** What a group with a single reward gets. Default `zero`. */
  readonly singleton?: Singleton;
}

/** What an advantage is relative to. */
export interface GroupStatistics {
  readonly count: number;
  readonly mean: number;
  readonly variance: number;
}

/** How many groups there are, and how many of them teach nothing. */
export type GroupMetrics = Readonly<Record<'groups' | 'singletonGroups' | 'equalGroups' | 'missingRewards', number>>;

/** The metrics of moments. */
export function groupMetrics({ counts, variances, index }: GroupMoments): GroupMetrics {
  const scored = counts.reduce((sum, n) => sum + n, 0);
  return {
    groups: counts.length,
    singletonGroups: counts.filter((n) => n === 1).length,
    equalGroups: counts.filter((n, group) => n > 1 && (variances[group] as number) <= NEGLIGIBLE_VARIANCE).length,
    missingRewards: index.length - scored,
  };
}

/**
 * The frame of every estimator over groups: validates, takes the moments, and maps each reward that is not `null`.
 * Metrics: `groups`, `singletonGroups` with one reward, `equalGroups` of several whose variance is at most 1e-12,
 * `missingRewards` that are `null`.
 */
export function relativeToGroup(
  who: string,
  { rewards, groups }: GroupInputs,
  { singleton = 'zero', variance = 'sample' }: GroupOptions & { readonly variance?: VarianceKind },
  advantage: (reward: number, group: GroupStatistics, index: number) => number,
): AdvantageResult<Float64Array> & { readonly metrics: GroupMetrics } {
  if (singleton !== 'zero' && singleton !== 'raw' && singleton !== 'throw') {
    throw new OptionError(who, 'singleton', "'zero', 'raw' or 'throw'", singleton);
  }
  const moments = momentsOfGroups(who, rewards, groups, variance);
  const statistics = moments.ids.map((id, group): GroupStatistics => {
    const count = moments.counts[group] as number;
    if (count === 1 && singleton === 'throw') {
      throw new DataError(who, `group ${id} must have at least two rewards; got one`);
    }
    if (count === 1) return { count, mean: 0, variance: 1 };
    return { count, mean: moments.means[group] as number, variance: moments.variances[group] as number };
  });
  const advantages = Float64Array.from(moments.index, (group, row) => {
    const reward = rewards[row] as number | null;
    const own = statistics[group] as GroupStatistics;
    return reward === null || (own.count === 1 && singleton === 'zero') ? 0 : advantage(reward, own, group);
  });
  return { advantages, metrics: groupMetrics(moments) };
}
