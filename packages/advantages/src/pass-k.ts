import { DataError, OptionError } from '@tsrl/core';
import type { EstimatorEntry } from './entry.js';
import { drawIds } from './example.js';
import { momentsOfGroups } from './group-moments.js';
import { type GroupInputs, groupMetrics } from './group-relative.js';
import type { AdvantageResult } from './result.js';

/** Options of {@link passK}. */
export interface PassKOptions {
  /** How many tries one success must be among: a whole number, at least 1. */
  readonly k: number;
}

/**
 * Training for pass@k, that one of k responses is right, in closed form over all subsets of k of a group of N, of
 * which N₋ are wrong (reward 0) and the others right (reward 1):
 *
 *   R̄ = 1 − C(N₋, k)/C(N, k),   σ = √(R̄ (1 − R̄))
 *   A₊ = (1 − R̄)/σ,   A₋ = (1 − R̄ − C(N₋ − 1, k − 1)/C(N − 1, k − 1))/σ;   all 0 where σ is 0
 *
 * σ is 0 where fewer than k are wrong, where none is right, and (metric `smallGroups`) where N < k. Each A is the mean,
 * over the subsets that hold the response, of the subset's standardised reward. With k = 1 it is `grpo` with the
 * population variance. For another meaning of the name see `passKTop1`.
 *
 * Metrics: `groups`, `singletonGroups`, `equalGroups`, `missingRewards`, `smallGroups`.
 *
 * Differences: the authors' code adds 1e-6 to σ and lets rewards other than 0 and 1 pass.
 *
 * @returns advantages [B]
 * @throws OptionError unless k is a whole number of at least 1, ShapeError when the lengths differ or are 0, DataError
 * for a reward that is neither 0 nor 1 nor `null`
 * @see Chen et al. 2025, arXiv:2508.10751
 */
export function passK(inputs: GroupInputs, { k }: PassKOptions): AdvantageResult<Float64Array> {
  if (!(Number.isInteger(k) && k >= 1)) throw new OptionError('passK', 'k', 'a whole number, at least 1', k);
  for (let row = 0; row < inputs.rewards.length; row++) {
    const reward = inputs.rewards[row];
    if (reward !== 0 && reward !== 1 && reward !== null) {
      throw new DataError('passK', `rewards[${row}] must be 0 or 1, or null where it does not apply; got ${reward}`);
    }
  }
  const moments = momentsOfGroups('passK', inputs.rewards, inputs.groups, 'population');
  const { index, counts, means } = moments;
  const ofGroups = Array.from(counts, (count, group) => {
    if (count < k) return { right: 0, wrong: 0 };
    const wrong = count - Math.round(count * (means[group] as number));
    const allWrong = noneOf(wrong, count, k);
    const deviation = Math.sqrt(allWrong * (1 - allWrong));
    if (deviation === 0) return { right: 0, wrong: 0 };
    return { right: allWrong / deviation, wrong: (allWrong - noneOf(wrong - 1, count - 1, k - 1)) / deviation };
  });
  const advantages = Float64Array.from(index, (group, row) => {
    const reward = inputs.rewards[row];
    return reward === null ? 0 : (ofGroups[group]?.[reward === 1 ? 'right' : 'wrong'] as number);
  });
  const smallGroups = counts.filter((n) => n > 0 && n < k).length;
  return { advantages, metrics: { ...groupMetrics(moments), smallGroups } };
}

/** C(n, k)/C(N, k): the chance that k draws from N all fall among n of them. */
function noneOf(n: number, N: number, k: number): number {
  let chance = 1;
  for (let j = 0; j < k; j++) chance *= Math.max(0, n - j) / (N - j);
  return chance;
}

export const passKEntry: EstimatorEntry<GroupInputs> = {
  name: 'passK',
  formula: 'A = mean over the subsets of k of (max r − R̄) / σ',
  citation: 'arXiv:2508.10751',
  laws: ['zero-mean-per-group'],
  example: (shape, rng) => {
    const groups = drawIds(shape);
    return { rewards: Array.from(groups, () => (rng.uniform() < 1 / 8 ? null : Number(rng.uniform() < 0.5))), groups };
  },
  estimate: (inputs) => passK(inputs, { k: 2 }),
};
