import type { EstimatorEntry } from './entry.js';
import { drawGroups } from './example.js';
import type { GroupInputs, GroupOptions } from './group-relative.js';
import type { AdvantageResult } from './result.js';
import { standardized } from './standardized.js';

/**
 * GRPO without the deviation, which favours prompts that are almost always or almost never solved:
 *
 *   A_i = r_i − mean of the group
 *
 * It is (G − 1) / G of `rloo`. The other half of the paper is the aggregation: the sum over tokens by a constant
 * length, `sequenceSumNorm` of `@tsrl/tensor`. Metrics as of `grpo`.
 *
 * @returns advantages [B]
 * @throws as `grpo`
 * @see Liu et al. 2025, arXiv:2503.20783
 */
export function drGrpo(inputs: GroupInputs, { singleton = 'zero' }: GroupOptions = {}): AdvantageResult<Float64Array> {
  return standardized('drGrpo', inputs, { scale: 'none', singleton });
}

export const drGrpoEntry: EstimatorEntry<GroupInputs> = {
  name: 'drGrpo',
  formula: 'A = r − mean of the group',
  citation: 'arXiv:2503.20783',
  laws: ['group-shift-invariant', 'shift-invariant', 'scale-equivariant', 'zero-mean-per-group'],
  example: drawGroups,
  estimate: (inputs) => drGrpo(inputs),
};
