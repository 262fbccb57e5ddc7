import { DataError, expectLength } from '@tsrl/core';
import type { EstimatorEntry } from './entry.js';
import { drawResponses } from './example.js';
import { momentsOfGroups } from './group-moments.js';
import { expectEpsilon, NEGLIGIBLE_VARIANCE } from './moments.js';
import type { AdvantageResult } from './result.js';
import { expectRewards, type Rewards } from './rewards-input.js';

/** Inputs of {@link singleStreamSpo}. */
export interface SingleStreamSpoInputs {
  /** One per prompt, [B]; `null` counts in no statistic and gets advantage 0. */
  readonly rewards: Rewards;
  /** v: the value of each prompt before this reward was seen, [B]; `trackedValues(counts, prompts)`. */
  readonly baselines: ArrayLike<number>;
}

/** Options of {@link singleStreamSpo}. */
export interface SingleStreamSpoOptions {
  /** Added to the deviation; at least 0. Default 1e-8. */
  readonly epsilon?: number;
}

/**
 * Single-stream policy optimization: one response per prompt, its reward less the value that a tracker remembers of
 * the prompt, normalized over the whole batch:
 *
 *   Δ = r − v,   A = (Δ − mean Δ) / (std Δ + ε),   mean and sample deviation over the batch
 *
 * The values must be those from before this batch (`valueTracker`): then the baseline does not depend on the response,
 * and the gradient stays unbiased. With a single reward, or a variance of Δ of at most 1e-12, A is 0.
 *
 * Metrics: `mean` and `std` of Δ; `normalized` 0 where A is 0 for want of variance, else 1; `missingRewards`; the
 * quantiles of A, `quantile10`, `quantile30`, `quantile50`, `quantile70` and `quantile90` (linear between samples).
 *
 * Differences: the reference gives NaN for a batch of one.
 *
 * @returns advantages [B]
 * @throws OptionError for an epsilon out of range, ShapeError when the lengths differ or are 0, DataError for a reward
 * that is neither finite nor `null`, or a baseline that is not finite where there is a reward
 * @see Xu and Ding 2025, arXiv:2509.13232
 */
export function singleStreamSpo(
  { rewards, baselines }: SingleStreamSpoInputs,
  { epsilon = 1e-8 }: SingleStreamSpoOptions = {},
): AdvantageResult<Float64Array> {
  expectEpsilon('singleStreamSpo', epsilon);
  expectRewards('singleStreamSpo', 'rewards', rewards);
  expectLength('singleStreamSpo', 'baselines', baselines, rewards.length);
  const differences = Array.from(rewards, (reward, i) => {
    if (reward === null) return null;
    const baseline = baselines[i] as number;
    if (!Number.isFinite(baseline)) {
      throw new DataError('singleStreamSpo', `baselines[${i}] must be finite; got ${baseline}`);
    }
    return reward - baseline;
  });
  const all = momentsOfGroups('singleStreamSpo', differences, new Uint8Array(differences.length), 'sample');
  const [mean, variance, count] = [all.means[0], all.variances[0], all.counts[0]] as [number, number, number];
  const normalized = variance > NEGLIGIBLE_VARIANCE;
  const std = Math.sqrt(variance);
  const advantages = Float64Array.from(differences, (difference) =>
    normalized && difference !== null ? (difference - mean) / (std + epsilon) : 0,
  );
  const sorted = advantages.filter((_, i) => differences[i] !== null).sort();
  const quantiles = [10, 30, 50, 70, 90].map((percent) => [`quantile${percent}`, quantile(sorted, percent / 100)]);
  return {
    advantages,
    metrics: {
      mean,
      std,
      normalized: normalized ? 1 : 0,
      missingRewards: differences.length - count,
      ...Object.fromEntries(quantiles),
    },
  };
}

/** Linear between the samples; 0 of none. */
function quantile(sorted: Float64Array, level: number): number {
  const at = level * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? 0;
  return below + (at - Math.floor(at)) * ((sorted[Math.ceil(at)] ?? 0) - below);
}

export const singleStreamSpoEntry: EstimatorEntry<SingleStreamSpoInputs> = {
  name: 'singleStreamSpo',
  formula: 'A = (Δ − mean Δ) / (std Δ + ε) over the batch, Δ = r − v(prompt)',
  citation: 'arXiv:2509.13232',
  laws: ['shift-invariant', 'zero-mean'],
  example: (shape, rng) => {
    const baselines = drawResponses(shape, () => rng.uniform());
    const rewards = Array.from(baselines, (v) => (rng.uniform() < 1 / 8 ? null : Number(rng.uniform() < v)));
    return { rewards, baselines };
  },
  estimate: (inputs) => singleStreamSpo(inputs),
};
