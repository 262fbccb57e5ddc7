import { OptionError } from '@tsrl/core';
import type { EstimatorEntry } from './entry.js';
import { drawGroups } from './example.js';
import { momentsOfGroups } from './group-moments.js';
import type { GroupInputs } from './group-relative.js';
import type { AdvantageResult } from './result.js';
import type { Rewards } from './rewards-input.js';

/** Inputs of {@link reinforce}. */
export interface ReinforceInputs {
  /** Reward of each response, [B]; `null` counts in no baseline and gets advantage 0. */
  readonly rewards: Rewards;
}

/** Options of {@link reinforce}. */
export interface ReinforceOptions {
  /**
   * b: a number, such as the state of `exponentialAverage` of `@tsrl/core` over earlier batches; `mean`, that of the
   * batch; or `leave-one-out`, the mean of the other responses of the batch. Default 0.
   */
  readonly baseline?: number | 'mean' | 'leave-one-out';
}

/**
 * REINFORCE: the reward above a baseline that does not know the prompt,
 *
 *   A_i = r_i − b
 *
 * A number and `leave-one-out` leave the gradient unbiased. `mean` holds the response itself and shrinks the expected
 * gradient: it is (B − 1)/B of `leave-one-out`. A batch of one reward has no other: under `leave-one-out` it gets 0.
 *
 * Metrics: `baseline`, the mean of the baselines used, and `missingRewards`.
 *
 * @returns advantages [B]
 * @throws OptionError for a baseline that is no finite number and no name, ShapeError for a batch of none, DataError
 * for a reward that is neither finite nor `null`
 * @see Williams 1992, doi:10.1007/BF00992696
 */
export function reinforce(
  { rewards }: ReinforceInputs,
  { baseline = 0 }: ReinforceOptions = {},
): AdvantageResult<Float64Array> {
  const named = baseline === 'mean' || baseline === 'leave-one-out';
  if (!(named || Number.isFinite(baseline))) {
    throw new OptionError('reinforce', 'baseline', "a finite number, 'mean' or 'leave-one-out'", baseline);
  }
  const { counts, means } = momentsOfGroups('reinforce', rewards, new Uint8Array(rewards.length), 'sample');
  const [n, mean] = [counts[0] as number, means[0] as number];
  const factor = baseline !== 'leave-one-out' ? 1 : n > 1 ? n / (n - 1) : 0;
  const b = named ? mean : (baseline as number);
  const advantages = Float64Array.from(rewards, (reward) => (reward === null ? 0 : factor * (reward - b)));
  return { advantages, metrics: { baseline: b, missingRewards: rewards.length - n } };
}

export const reinforceEntry: EstimatorEntry<GroupInputs> = {
  name: 'reinforce',
  formula: 'A = r − b',
  citation: 'doi:10.1007/BF00992696',
  laws: ['scale-equivariant'],
  example: drawGroups,
  estimate: (inputs) => reinforce(inputs),
};
