import { DataError, expectLength, OptionError, ShapeError } from '@tsrl/core';
import { type GroupIds, type GroupMoments, momentsOfGroups } from './group-moments.js';
import type { Rewards } from './rewards-input.js';

/** Success rates of all prompts, the `means` of these moments, and what they were taken from. */
export interface RatesByGroup {
  readonly moments: GroupMoments;
  /** The rewards brought to [0, 1], [B]. */
  readonly scores: readonly (number | null)[];
}

/** Brings rewards from [low, high] to [0, 1] and averages them by group; `name` is what an error calls the rewards. */
export function ratesByGroup(
  who: string,
  name: string,
  rewards: Rewards,
  groups: GroupIds,
  [low, high]: readonly [number, number],
): RatesByGroup {
  if (!(high - low > 0 && high - low < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'range', 'two finite numbers, the lower one first', [low, high]);
  }
  if (groups.length === 0) throw new ShapeError(who, name, 'of at least one response', 'length 0');
  expectLength(who, name, rewards, groups.length);
  const scores = Array.from(rewards, (reward, i) => {
    if (reward === null) return null;
    const score = (reward - low) / (high - low);
    // A sum of parts may miss the ends by rounding.
    if (!(score >= -1e-9 && score <= 1 + 1e-9)) {
      throw new DataError(who, `${name}[${i}] must be in [${low}, ${high}], the range of rewards; got ${reward}`);
    }
    return Math.min(1, Math.max(0, score));
  });
  return { moments: momentsOfGroups(who, scores, groups, 'population'), scores };
}

/** The rates of the prompts with two rewards or more: one sample tells nothing of how rates differ. */
export const ratesOfSeveral = ({ means, counts }: GroupMoments): Float64Array =>
  means.filter((_, group) => (counts[group] as number) > 1);
