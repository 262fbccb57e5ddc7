import * as tf from '@tensorflow/tfjs-core';
import { placeOutcome } from '@tsrl/advantages';
import type { Grid } from '@tsrl/core';
import { fullKl, type KlEstimator, k1, k2, k3, kAbs, maskedMean, straightThrough } from '@tsrl/tensor';
import { onDevice } from '../device.js';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { onHost, values } from '../host.js';
import { gridOf, numberOf, tensorOf, textOf } from '../inputs.js';
import { byFunction, type Family } from '../outcome.js';
import { verlController } from './kl-controller.js';

const unclamped = { clamp: Number.POSITIVE_INFINITY };

/** verl clamps in k3 only, d to ±20 and the value to ±10. A plus sign takes the gradient of k2. */
function verlEstimator(name: string): KlEstimator {
  if (name.endsWith('+')) {
    const forward = verlEstimator(name.slice(0, -1));
    return (logProbs, refLogProbs) => straightThrough(forward)(logProbs, refLogProbs, unclamped);
  }
  return estimator(name, verlNames, (k) => (k === k3 ? { clamp: 20, maxValue: 10 } : unclamped));
}

const verlNames: Readonly<Record<string, KlEstimator>> = {
  kl: k1,
  k1,
  abs: kAbs,
  mse: k2,
  k2,
  low_var_kl: k3,
  k3,
};

const spoNames: Readonly<Record<string, KlEstimator>> = { kl: k1, abs: kAbs, mse: k2, control_variate: k3 };

function estimator(
  name: string,
  names: Readonly<Record<string, KlEstimator>>,
  options: (of: KlEstimator) => Parameters<KlEstimator>[2],
): KlEstimator {
  const found = names[name];
  if (found === undefined) throw new UnmappedError(`no estimator is called ${name}`);
  return (logProbs, refLogProbs) => found(logProbs, refLogProbs, options(found));
}

export const klPenaltyVerl: Family = byFunction('kl-penalty.verl', {
  kl_penalty(golden) {
    const name = textOf(golden, 'kl_penalty');
    const kl = name === 'full' ? fullKl<tf.Tensor> : verlEstimator(name);
    return onDevice(golden, { of: 'kl' }, (x) => ({
      kl: kl(x.float<tf.Tensor>('logprob'), x.float<tf.Tensor>('ref_logprob')),
    }));
  },
  compute_rewards: (golden) =>
    onDevice(golden, { of: 'token_level_rewards' }, (x) => {
      const kl = k1(x.float('old_log_prob'), x.float('ref_log_prob'), unclamped);
      return { token_level_rewards: penalized(x.float('token_level_scores'), kl, numberOf(golden, 'kl_ratio')) };
    }),
  async apply_kl_penalty(golden) {
    const coefficient = numberOf(golden, 'init_kl_coef');
    const rewarded = await onDevice(golden, { of: 'token_level_rewards' }, (x) => {
      const mask = x.float('response_mask');
      const kl = verlEstimator(textOf(golden, 'kl_penalty'))(x.float('old_log_probs'), x.float('ref_log_prob'));
      return {
        token_level_rewards: penalized(x.float('token_level_scores'), tf.mul(kl, mask), coefficient),
        mean_kl: tf.mean(maskedMean(kl, mask, { axis: 1 })),
        coef_used: tf.scalar(coefficient),
      };
    });
    const kl = rewarded.outputs['mean_kl']?.data[0] as number;
    const sequences = tensorOf(golden, 'response_mask').shape[0] as number;
    const after = verlController(golden, textOf(golden, 'controller'), coefficient)([{ kl, sequences }]);
    return { ...rewarded, outputs: { ...rewarded.outputs, coef_after: { shape: [], data: after } } };
  },
});

const penalized = (scores: tf.Tensor2D, kl: tf.Tensor2D, coefficient: number): tf.Tensor2D =>
  tf.sub(scores, tf.mul(kl, coefficient));

export const klPenaltyOpenRlhf: Family = byFunction('kl-penalty.openrlhf', {
  compute_approx_kl(golden) {
    const kl = estimator(textOf(golden, 'kl_estimator'), { k1, k2, k3 }, () => ({ ...unclamped, maxValue: 10 }));
    return onDevice(golden, { of: 'kl' }, (x) => ({ kl: kl(x.float('log_probs'), x.float('log_probs_base')) }));
  },
  compute_reward(golden) {
    const [low, high] = (golden.params['reward_clip_range'] ?? [-Infinity, Infinity]) as [number, number];
    const scores = tensorOf(golden, 'r').data.map((score) => Math.min(high, Math.max(low, score)));
    const coefficient = numberOf(golden, 'kl_coef');
    const kl = gridOf(golden, 'kl');
    const outcome = placeOutcome(scores, gridOf(golden, 'action_mask'));
    return onHost({ reward: values(shaped(kl, outcome, coefficient)) });
  },
});

/** −coefficient · kl + outcome */
const shaped = (kl: Grid, outcome: Grid, coefficient: number): Grid => ({
  ...kl,
  data: kl.data.map((k, i) => (outcome.data[i] as number) - coefficient * k),
});

export const klPenaltySpo: Family = byFunction('kl-penalty.spo', {
  _compute_kl_penalty(golden) {
    const name = textOf(golden, 'estimation_type');
    return onDevice(golden, { of: 'kl' }, (x) => {
      const [logProbs, refLogProbs] = [x.float<tf.Tensor>('logprob'), x.float<tf.Tensor>('ref_logprob')];
      if (name === 'full') return { kl: fullKl(logProbs, refLogProbs, { maxValue: Infinity }) };
      if (name === 'seq_control_variate') return { kl: sequenceControlVariate(logProbs, refLogProbs) };
      return { kl: estimator(name, spoNames, () => unclamped)(logProbs, refLogProbs) };
    });
  },
  _compute_rewards: rewardsSpo,
});

/** d_t + exp(−Σd) − 1: k1 of each token, and the control variate k3 − k1 of the whole sequence. */
function sequenceControlVariate(logProbs: tf.Tensor, refLogProbs: tf.Tensor): tf.Tensor {
  const whole: [tf.Tensor, tf.Tensor] = [tf.sum(logProbs, -1, true), tf.sum(refLogProbs, -1, true)];
  const variate = tf.sub(k3(...whole, unclamped), k1(...whole, unclamped));
  return tf.add(k1(logProbs, refLogProbs, unclamped), variate);
}

/** The outcome stands on the last attended token, which after the shift is the last of `attention_mask[:, 1:]`. */
async function rewardsSpo(golden: GoldenCase): ReturnType<typeof onDevice> {
  const coefficient = numberOf(golden, 'kl_coef');
  const kl = estimator(textOf(golden, 'kl_penalty'), spoNames, () => unclamped);
  const attention = gridOf(golden, 'attention_mask');
  const columns = attention.columns - 1;
  const mask: Grid = {
    rows: attention.rows,
    columns,
    data: attention.data.filter((_, i) => i % attention.columns > 0),
  };
  const outcome = placeOutcome(tensorOf(golden, 'scores').data, mask);
  const estimates = await onDevice({ ...golden, gradients: {} }, { of: 'kl' }, (x) => ({
    kl: kl(x.float('actor_logprobs'), x.float('ref_logprobs')),
  }));
  const perToken: Grid = { rows: mask.rows, columns, data: Float64Array.from(estimates.outputs['kl']?.data ?? []) };
  const nothing: Grid = { ...outcome, data: new Float64Array(outcome.data.length) };
  const added = golden.params['kl_in_reward'] === false ? 0 : coefficient;
  return onHost(
    {
      rewards: values(shaped(perToken, outcome, added)),
      non_score_rewards: values(shaped(perToken, nothing, coefficient)),
    },
    { precision: 'float32' },
  );
}
