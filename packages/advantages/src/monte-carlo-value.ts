import { expectRewards, type Rewards } from './rewards-input.js';

/** A value estimated from samples. */
export interface MonteCarloValue {
  /** V̂. */
  readonly value: number;
  /** Deviation of the rewards, population. */
  readonly std: number;
  /** std / √n, how far V̂ may be off. */
  readonly standardError: number;
  /** n. */
  readonly samples: number;
}

/**
 * The value of a state from the rewards of n independent completions of it:
 *
 *   V̂ = mean r,   std = √(mean (r − V̂)²),   standardError = std / √n
 *
 * All 0 without completions; `samples` tells. A reward of `null` does not count. The paper takes n = 9.
 *
 * Differences: without completions the deviation of the reference is −1.
 *
 * @throws DataError for a reward that is neither finite nor `null`
 * @see Guo et al. 2025, arXiv:2505.23564
 */
export function monteCarloValue(rewards: Rewards): MonteCarloValue {
  if (rewards.length > 0) expectRewards('monteCarloValue', 'rewards', rewards);
  const counted = Array.from(rewards).filter((reward) => reward !== null);
  const samples = counted.length;
  if (samples === 0) return { value: 0, std: 0, standardError: 0, samples };
  const value = counted.reduce((sum, reward) => sum + reward, 0) / samples;
  const std = Math.sqrt(counted.reduce((sum, reward) => sum + (reward - value) ** 2, 0) / samples);
  return { value, std, standardError: std / Math.sqrt(samples), samples };
}
