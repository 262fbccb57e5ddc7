import {
  combineRewards,
  consecutiveGroups,
  type GrpoOptions,
  gdpo,
  groupMoments,
  grpo,
  miniLlm,
  type Rewards,
  rloo,
} from '@tsrl/advantages';
import type { Grid } from '@tsrl/core';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { onHost, values } from '../host.js';
import { flagOf, gridOf, numberOf, tensorOf, textOf } from '../inputs.js';
import type { Family, Values } from '../outcome.js';

/** Rewards of each function; NaN is how TRL holds a `None`. */
function componentsOf(golden: GoldenCase): readonly Rewards[] {
  const { rows, columns, data } = gridOf(golden, 'rewards_per_func');
  return Array.from({ length: columns }, (_, k) =>
    Array.from({ length: rows }, (_, row) => {
      const reward = data[row * columns + k] as number;
      return Number.isNaN(reward) ? null : reward;
    }),
  );
}

const weightsOf = (golden: GoldenCase): { weights: Float64Array } => ({
  weights: tensorOf(golden, 'reward_weights').data,
});

const perResponse = (data: ArrayLike<number>): Values => ({ shape: [data.length], data });
const withNaN = (rewards: Rewards): Float64Array => Float64Array.from(rewards, (reward) => reward ?? Number.NaN);

const scales: Readonly<Record<string, NonNullable<GrpoOptions['scale']>>> = {
  group: 'group',
  batch: 'batch',
  none: 'none',
};

export const grpoTrl: Family = {
  file: 'advantages.trl-grpo',
  run(golden) {
    const components = componentsOf(golden);
    const size = numberOf(golden, 'num_generations');
    const rows = (components[0] as Rewards).length;
    const groups = consecutiveGroups(rows, size);
    const aggregation = textOf(golden, 'multi_objective_aggregation');
    if (aggregation === 'normalize_then_sum') {
      const { advantages, combined } = gdpo({ components, groups }, { ...weightsOf(golden), epsilon: 1e-4 });
      return standardizedOutputs(advantages, combined, consecutiveGroups(rows, rows));
    }
    if (aggregation !== 'sum_then_normalize') throw new UnmappedError(`no aggregation is called ${aggregation}`);
    const scale = scales[textOf(golden, 'scale_rewards')];
    if (scale === undefined) throw new UnmappedError(`no scale is called ${textOf(golden, 'scale_rewards')}`);
    const rewards = combineRewards(components, weightsOf(golden));
    const { advantages } = grpo({ rewards, groups }, { scale, epsilon: 1e-4 });
    return standardizedOutputs(advantages, rewards, scale === 'batch' ? consecutiveGroups(rows, rows) : groups);
  },
};

/** The source logs the deviations too: none for a group of one, NaN for one response left of several. */
function standardizedOutputs(
  advantages: Float64Array,
  rewards: Rewards,
  groups: Int32Array,
): ReturnType<typeof onHost> {
  const { index, counts, variances } = groupMoments(rewards, groups);
  const sizes = new Map<number, number>();
  for (const group of index) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  const deviations = Float64Array.from(index, (group) =>
    (counts[group] as number) < 2 && (sizes.get(group) as number) > 1
      ? Number.NaN
      : Math.sqrt(variances[group] as number),
  );
  return onHost({
    advantages: perResponse(advantages),
    rewards: perResponse(withNaN(rewards)),
    std_rewards: perResponse(deviations),
    is_std_zero: perResponse(deviations.map((deviation) => (deviation <= 1e-8 ? 1 : 0))),
  });
}

export const rlooTrl: Family = {
  file: 'advantages.trl-rloo',
  run(golden) {
    const [low, high] = (golden.params['reward_clip_range'] ?? [-Infinity, Infinity]) as [number, number];
    const beta = numberOf(golden, 'beta', 0);
    const kl = sequenceKl(golden);
    const scores = combineRewards(componentsOf(golden), weightsOf(golden));
    const rewards = scores.map((score, row) =>
      score === null ? null : Math.min(high, Math.max(low, score)) - beta * (kl[row] as number),
    );
    const groups = consecutiveGroups(rewards.length, numberOf(golden, 'num_generations'));
    const { advantages } = rloo({ rewards, groups });
    const { index, counts } = groupMoments(rewards, groups);
    // Standardised over the batch: as one group of those that have been compared.
    const compared = rewards.map((reward, row) =>
      reward === null || (counts[index[row] as number] as number) < 2 ? null : (advantages[row] as number),
    );
    const batch = { rewards: compared, groups: consecutiveGroups(rewards.length, rewards.length) };
    const normalized = flagOf(golden, 'normalize_advantages', false)
      ? grpo(batch, { epsilon: 1e-4 }).advantages
      : advantages;
    return onHost({ advantages: perResponse(normalized), rewards: perResponse(withNaN(rewards)) });
  },
};

/** Σ_t m (old − ref) of each response. */
function sequenceKl(golden: GoldenCase): Float64Array {
  const [old, reference, mask] = ['old_per_token_logps', 'ref_per_token_logps', 'completion_mask'].map((name) =>
    gridOf(golden, name),
  ) as [Grid, Grid, Grid];
  const kl = new Float64Array(mask.rows);
  mask.data.forEach((m, at) => {
    const row = Math.floor(at / mask.columns);
    if (m !== 0) kl[row] = (kl[row] as number) + (old.data[at] as number) - (reference.data[at] as number);
  });
  return kl;
}

export const miniLlmAdvantages: Family = {
  file: 'advantages.minillm',
  run(golden) {
    const inputs = {
      logProbs: gridOf(golden, 'student_log_probs'),
      teacherLogProbs: gridOf(golden, 'teacher_log_probs'),
      mask: gridOf(golden, 'mask'),
    };
    const { advantages } = miniLlm(inputs, {
      gamma: numberOf(golden, 'gamma'),
      lengthNormalized: flagOf(golden, 'length_normalization'),
      discountFrom: 'response',
      maskedLength: 1e-4,
    });
    return onHost({ advantages: values(advantages, inputs.mask) });
  },
};
