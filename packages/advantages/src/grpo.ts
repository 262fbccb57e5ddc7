import type { EstimatorEntry } from './entry.js';
import { drawGroups } from './example.js';
import type { GroupInputs } from './group-relative.js';
import type { AdvantageResult } from './result.js';
import { type GrpoOptions, standardized } from './standardized.js';

export type { GrpoOptions } from './standardized.js';

/**
 * Group-relative advantages: how many deviations a response is better than the others of its prompt,
 *
 *   A_i = (r_i − mean) / (√max(variance, minVariance) + ε),   mean and variance over the group
 *
 * A variance of at most 1e-12 counts as none, and the advantage is 0.
 *
 * Metrics: `groups`, `singletonGroups`, `equalGroups`, `missingRewards`.
 *
 * Differences: the paper does not say which variance. Epsilon is 1e-6 in verl, 1e-4 in TRL, 1e-9 in OpenRLHF. verl
 * gives a group of one its reward (`singleton: 'raw'`); its vectorised form has `minVariance` 1e-6. TRL's
 * `scale_rewards` is `scale`, and its batch deviation is that of the rewards.
 *
 * @returns advantages [B]
 * @throws OptionError for an option out of range, ShapeError when the lengths differ or are 0, DataError for a reward
 * that is neither finite nor `null`, and for a group of one under `singleton: 'throw'`
 * @see Shao et al. 2024, arXiv:2402.03300
 */
export function grpo(inputs: GroupInputs, options: GrpoOptions = {}): AdvantageResult<Float64Array> {
  return standardized('grpo', inputs, options);
}

export const grpoEntry: EstimatorEntry<GroupInputs> = {
  name: 'grpo',
  formula: 'A = (r − mean) / (std + ε) over the group',
  citation: 'arXiv:2402.03300',
  laws: ['group-shift-invariant', 'shift-invariant', 'scale-invariant', 'zero-mean-per-group'],
  example: drawGroups,
  estimate: (inputs) => grpo(inputs),
};
