import { groupMoments, resamplingWeights } from '@tsrl/advantages';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { onHost } from '../host.js';
import { gridOf, numberOf, tensorOf, textOf } from '../inputs.js';
import { byFunction, type Family, type Values } from '../outcome.js';
import { idsOf } from './group-advantages.js';

const list = (data: ArrayLike<number>): Values => ({ shape: [data.length], data });

export const groupStatsVerl: Family = byFunction('group-stats.verl', {
  /** By the number of the group; a group of one or none counts as one of mean 0 and deviation 1. */
  group_mean_std(golden) {
    const { data } = tensorOf(golden, 'group_index');
    const { ids, counts, means, variances } = groupMoments(tensorOf(golden, 'scores').data, data);
    const least = numberOf(golden, 'eps', 1e-6);
    const size = Math.max(...data) + 1;
    const out = { mean: new Float64Array(size), std: new Float64Array(size).fill(1), count: new Float64Array(size) };
    ids.forEach((id, group) => {
      const number = Number(id);
      const count = counts[group] as number;
      out.count[number] = count;
      if (count < 2) return;
      out.mean[number] = means[group] as number;
      out.std[number] = Math.sqrt(Math.max(variances[group] as number, least));
    });
    return onHost({ mean: list(out.mean), std: list(out.std), count: list(out.count) });
  },
  as_torch_index: (golden) => onHost({ index: list(numbersOf(golden)) }),
});

/** Whole numbers are their own index; other labels are numbered in sorted order, which `groupMoments` does not do. */
function numbersOf(golden: GoldenCase): ArrayLike<number> {
  const labels = Array.from(idsOf(golden, 'labels'));
  if (labels.every((label) => /^\s*[+-]?\d+\s*$/.test(String(label)))) return labels.map(Number);
  const { ids, index } = groupMoments(new Float64Array(labels.length), labels);
  const sorted = [...ids].sort((a, b) => (a < b ? -1 : 1));
  return Array.from(index, (group) => sorted.indexOf(ids[group] as string));
}

const weightings: Readonly<Record<string, 'power' | 'extremes' | 'best'>> = {
  pow: 'power',
  max_min: 'extremes',
  max_random: 'best',
};

export const reweightingPfPpo: Family = {
  file: 'reweighting.pf-ppo',
  run(golden) {
    const weights = weightings[textOf(golden, 'reweight_method')];
    if (weights === undefined) throw new UnmappedError(`no method is called ${textOf(golden, 'reweight_method')}`);
    const { rows, columns, data } = gridOf(golden, 'token_level_scores');
    const scores = Array.from({ length: rows }, (_, row) =>
      data.subarray(row * columns, (row + 1) * columns).reduce((sum, x) => sum + x, 0),
    );
    return onHost({ weights: list(resamplingWeights(scores, { weights, power: numberOf(golden, 'weight_pow', 2) })) });
  },
};
