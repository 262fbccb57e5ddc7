import { DataError, OptionError } from '@tsrl/core';

/** Options of {@link offlineCounts}. */
export interface OfflineCountsOptions {
  /** The least retention of the tracker, in [0, 1): the counts weigh as much as its shortest memory. Default 0.875. */
  readonly leastRetention?: number;
}

/**
 * What `valueTracker` starts a prompt from when rewards of earlier responses to it are known:
 *
 *   v = (S + 1/2) / (n + 1),   N = 1 / (1 − leastRetention),   α = N v,   β = N (1 − v)
 *
 * S is the sum of the n rewards. Without any, α = β = 1/2.
 *
 * Differences: the reference counts scores above 0 as successes, and scores that are missing as failures.
 *
 * @param rewards of one prompt, in [0, 1]; the paper takes 8
 * @throws OptionError unless leastRetention is in [0, 1), DataError for a reward that is not in [0, 1]
 * @see Xu and Ding 2025, arXiv:2509.13232
 */
export function offlineCounts(
  rewards: ArrayLike<number>,
  { leastRetention = 0.875 }: OfflineCountsOptions = {},
): readonly [alpha: number, beta: number] {
  if (!(leastRetention >= 0 && leastRetention < 1)) {
    throw new OptionError('offlineCounts', 'leastRetention', 'in [0, 1)', leastRetention);
  }
  const n = rewards.length;
  if (n === 0) return [0.5, 0.5];
  let successes = 0;
  for (let i = 0; i < n; i++) {
    const reward = rewards[i] as number;
    if (!(reward >= 0 && reward <= 1)) {
      throw new DataError('offlineCounts', `rewards[${i}] must be in [0, 1]; got ${reward}`);
    }
    successes += reward;
  }
  const value = (successes + 0.5) / (n + 1);
  const size = 1 / (1 - leastRetention);
  return [size * value, size * (1 - value)];
}
