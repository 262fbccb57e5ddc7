import { DataError, OptionError, show, type Tracker } from '@tsrl/core';
import { countsOf, mapOf, type SuccessCounts } from './success-counts.js';

export type { SuccessCounts } from './success-counts.js';

/** What {@link valueTracker} sees of a prompt after a step. */
export interface SuccessObservation {
  readonly prompt: string;
  /** In [0, 1]: success, failure or part of one. Others are averaged too, but α and β are counts no more. */
  readonly reward: number;
  /** D: how far the policy has moved on this prompt since its last visit (`policyDrift`); 0 at the first. */
  readonly drift: number;
}

/** Options of {@link valueTracker}. */
export interface ValueTrackerOptions {
  /** The drift that halves the weight of what was seen before; positive. Default 0.06. */
  readonly halfLife?: number;
  /** Bounds of ρ, in [0, 1]; two equal ones make it constant. Default [0.875, 0.96]: windows of 8 and 25 rewards. */
  readonly retention?: readonly [least: number, most: number];
}

/**
 * The success probability of every prompt, v = α / (α + β), learnt from one reward at a time; the further the policy
 * has moved, the faster the past is forgotten:
 *
 *   ρ = clip(2^(−D / halfLife), least, most),   α ← ρ α + r,   β ← ρ β + 1 − r
 *
 * It is the moving average v ← v + η (r − v) with η = 1 / (ρ (α + β) + 1), for rewards of any size. With a constant ρ
 * the effective number of rewards α + β goes to 1 / (1 − ρ). A prompt that was never seen starts from α = β = 1/2;
 * `offlineCounts` starts it from rewards known before. Observations of one prompt apply in their order.
 *
 * Differences: the reference stores α and β in float32.
 *
 * @throws OptionError unless halfLife is positive and finite and the retention two ascending numbers in [0, 1]; when
 *   updated, DataError for a reward that is not finite or a drift that is not at least 0, StateError for counts that
 *   are none
 * @see Xu and Ding 2025, arXiv:2509.13232
 */
export function valueTracker({
  halfLife = 0.06,
  retention: [least, most] = [0.875, 0.96],
}: ValueTrackerOptions = {}): Tracker<SuccessCounts, readonly SuccessObservation[]> {
  if (!(halfLife > 0 && halfLife < Number.POSITIVE_INFINITY)) {
    throw new OptionError('valueTracker', 'halfLife', 'positive and finite', halfLife);
  }
  if (!(least >= 0 && least <= most && most <= 1)) {
    throw new OptionError('valueTracker', 'retention', 'two ascending numbers in [0, 1]', [least, most]);
  }
  return {
    initial: {},
    update(counts, observations) {
      const next = mapOf(counts);
      for (const { prompt, reward, drift } of observations) {
        if (!Number.isFinite(reward)) {
          throw new DataError('valueTracker', `the reward of prompt ${show(prompt)} must be finite; got ${reward}`);
        }
        if (!(drift >= 0)) {
          throw new DataError('valueTracker', `the drift of prompt ${show(prompt)} must be at least 0; got ${drift}`);
        }
        const [alpha, beta] = countsOf('valueTracker', next, prompt);
        const keep = Math.min(most, Math.max(least, 2 ** (-drift / halfLife)));
        next.set(prompt, [keep * alpha + reward, keep * beta + (1 - reward)]);
      }
      return Object.fromEntries(next);
    },
  };
}

/**
 * v = α / (α + β) of each prompt, 1/2 of one that was never seen: the baselines of `singleStreamSpo`.
 *
 * @returns [B]
 * @throws StateError for counts that are none
 */
export function trackedValues(counts: SuccessCounts, prompts: readonly string[]): Float64Array {
  const known = mapOf(counts);
  const values = prompts.map((prompt) => {
    const [alpha, beta] = countsOf('trackedValues', known, prompt);
    return alpha / (alpha + beta);
  });
  return Float64Array.from(values);
}
