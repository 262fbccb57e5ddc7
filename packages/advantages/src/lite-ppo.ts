import { OptionError } from '@tsrl/core';
import type { EstimatorEntry } from './entry.js';
import { drawGroups } from './example.js';
import type { GroupInputs, GroupOptions } from './group-relative.js';
import type { VarianceKind } from './moments.js';
import type { AdvantageResult } from './result.js';
import { standardized } from './standardized.js';

/** Options of {@link litePpo}. */
export interface LitePpoOptions extends GroupOptions {
  /** Whose deviation scales: that of all `rewards` (default), or of all `centered` ones. */
  readonly deviation?: 'rewards' | 'centered';
  /** Default `sample`. */
  readonly variance?: VarianceKind;
  /** Added to the deviation; at least 0. Default 1e-6. */
  readonly epsilon?: number;
}

/**
 * The mean of the group, the deviation of the batch: a group of almost equal rewards is not blown up.
 *
 *   A_i = (r_i − mean of the group) / (std of the batch + ε)
 *
 * A variance of the batch of at most 1e-12 counts as none, and the advantages are 0. The paper's other half is the
 * mean over tokens of the clipped loss. Metrics as of `grpo`.
 *
 * Differences: the paper leaves open whose deviation; TRL (`scale_rewards="batch"`, epsilon 1e-4) takes the rewards',
 * implementations that come from REINFORCE++ the centred ones'.
 *
 * @returns advantages [B]
 * @throws as `grpo`
 * @see Liu et al. 2025, "Tricks or traps?", arXiv:2508.08221
 */
export function litePpo(
  inputs: GroupInputs,
  { deviation = 'rewards', variance = 'sample', epsilon = 1e-6, singleton = 'zero' }: LitePpoOptions = {},
): AdvantageResult<Float64Array> {
  if (deviation !== 'rewards' && deviation !== 'centered') {
    throw new OptionError('litePpo', 'deviation', "'rewards' or 'centered'", deviation);
  }
  const scale = deviation === 'rewards' ? 'batch' : 'centered-batch';
  return standardized('litePpo', inputs, { scale, variance, epsilon, singleton });
}

export const litePpoEntry: EstimatorEntry<GroupInputs> = {
  name: 'litePpo',
  formula: 'A = (r − mean of the group) / (std of the batch + ε)',
  citation: 'arXiv:2508.08221',
  laws: ['shift-invariant', 'scale-invariant', 'zero-mean-per-group'],
  example: drawGroups,
  estimate: (inputs) => litePpo(inputs),
};
