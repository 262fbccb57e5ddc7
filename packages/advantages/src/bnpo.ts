import { type BnpoOptions, type BnpoResult, betaNormalized } from './beta-normalized.js';
import type { EstimatorEntry } from './entry.js';
import { drawIds } from './example.js';
import type { GroupInputs } from './group-relative.js';

export type { BnpoOptions, BnpoResult } from './beta-normalized.js';

/**
 * Beta normalization policy optimization: the reward less the success rate of its prompt, divided by a Beta density
 * that is fitted to the success rates of the batch so that the variance of the gradient is least:
 *
 *   A = (R − p) / f(p; α, β),   f(p; α, β) = p^(α − 1) (1 − p)^(β − 1) / B(α, β),   α and β by `betaNormalizer`
 *
 * R is the reward brought to [0, 1] by `range`, p its mean over the responses of the prompt. α = β = 1 is REINFORCE
 * against the mean of the group, and α = β = 3/2 is GRPO with the population deviation, times π/8. Made for rewards of
 * 0 and 1; those between work as well.
 *
 * A prompt whose responses all have the same reward has advantage 0, and so has one with a single response, which is
 * also left out of the fit. A reward of `null` counts nowhere, and its response has advantage 0. When no two rates
 * differ, α = β = 1.
 *
 * Metrics: `alpha`, `beta`, `unnormalized` (1 when both are 1), `clampedGroups` whose weight was cut to `maxWeight`,
 * `groups`, `singletonGroups`, `equalGroups`, `missingRewards`.
 *
 * Differences: the reference gives a prompt with a single response the rate 0, hence the advantage 1e6 R, and lets it
 * into the fit; it fails when all rates are equal; α + β is not bounded there. What TRL calls the loss type `bnpo` is
 * the mean over tokens, and has nothing to do with this.
 *
 * @throws OptionError for an option out of range, ShapeError when the lengths differ or are 0, DataError for a reward
 * outside the range
 * @see Xiao, Zhang and Cao 2025, arXiv:2506.02864
 */
export function bnpo(inputs: GroupInputs, options: BnpoOptions = {}): BnpoResult {
  return betaNormalized('bnpo', 'rewards', inputs, options);
}

export const bnpoEntry: EstimatorEntry<GroupInputs> = {
  name: 'bnpo',
  formula: 'A = (R − p) / f(p; α, β), f the Beta density, α = 1 + a/3, β = 1 + b/3',
  citation: 'arXiv:2506.02864',
  laws: ['zero-mean', 'zero-mean-per-group'],
  example: (shape, rng) => {
    const rates = Array.from({ length: shape.prompts }, () => rng.uniform());
    const groups = drawIds(shape);
    const rewards = Array.from(groups, (prompt) => {
      return rng.uniform() < 1 / 8 ? null : Number(rng.uniform() < (rates[prompt] as number));
    });
    return { rewards, groups };
  },
  estimate: (inputs) => bnpo(inputs),
};
