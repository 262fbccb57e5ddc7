import type { EstimatorEntry } from './entry.js';
import { drawGroups } from './example.js';
import { type GroupInputs, type GroupOptions, relativeToGroup } from './group-relative.js';
import type { AdvantageResult } from './result.js';

/**
 * REINFORCE with the mean of the other responses to the same prompt as baseline, which leaves the gradient unbiased:
 *
 *   A_i = r_i − 1/(G − 1) Σ_{j ≠ i} r_j = G/(G − 1) (r_i − mean of the group)
 *
 * Metrics: `groups`, `singletonGroups`, `equalGroups`, `missingRewards`.
 *
 * Differences: a group of one gets 0 as in verl's vectorised form and in TRL; verl's loop form gives it its reward
 * (`singleton: 'raw'`). TRL can standardise over the batch afterwards: `grpo` of these advantages as one group.
 *
 * @returns advantages [B]
 * @throws OptionError for an option that does not exist, ShapeError when the lengths differ or are 0, DataError for a
 * reward that is neither finite nor `null`, and for a group of one under `singleton: 'throw'`
 * @see Kool, van Hoof and Welling 2019; Ahmadian et al. 2024, arXiv:2402.14740
 */
export function rloo(inputs: GroupInputs, { singleton = 'zero' }: GroupOptions = {}): AdvantageResult<Float64Array> {
  return relativeToGroup('rloo', inputs, { singleton }, (reward, { count, mean }) =>
    count === 1 ? reward : (count / (count - 1)) * (reward - mean),
  );
}

export const rlooEntry: EstimatorEntry<GroupInputs> = {
  name: 'rloo',
  formula: 'A = r − mean of the others in the group',
  citation: 'arXiv:2402.14740',
  laws: ['group-shift-invariant', 'shift-invariant', 'scale-equivariant', 'zero-mean-per-group'],
  example: drawGroups,
  estimate: (inputs) => rloo(inputs),
};
