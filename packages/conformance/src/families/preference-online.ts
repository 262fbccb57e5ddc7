import * as tf from '@tensorflow/tfjs-core';
import { a2po, nashMd, type OnlineDpoInputs, onlineDpo, optimalValues, xpo } from '@tsrl/losses';
import { maskedSum } from '@tsrl/tensor';
import { onDevice } from '../device.js';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { onHost } from '../host.js';
import { gridOf, numberOf, tensorOf, textOf } from '../inputs.js';
import { metric, oneByOne } from '../one-by-one.js';
import { byFunction, type Family } from '../outcome.js';

const sums = (perToken: tf.Tensor2D): tf.Tensor1D => tf.sum<tf.Tensor1D>(perToken, 1);

const pairOptions = (golden: GoldenCase): { readonly beta: number; readonly pairLoss: 'sigmoid' | 'ipo' } => {
  const pairLoss = textOf(golden, 'loss_type');
  if (pairLoss !== 'sigmoid' && pairLoss !== 'ipo') throw new UnmappedError(`no loss of pairs is called ${pairLoss}`);
  return { beta: numberOf(golden, 'beta'), pairLoss };
};

const nash: Family['run'] = (golden) =>
  onDevice(golden, { of: 'loss' }, (x) => {
    const logProbs = x.float('model_logprobs');
    const refLogProbs = x.float('ref_logprobs');
    const inputs = {
      logProbs,
      refLogProbs,
      probabilities: x.float<tf.Tensor1D>('probability'),
      mask: tf.ones<tf.Rank.R2>(logProbs.shape),
    };
    const loss = nashMd({ beta: numberOf(golden, 'beta') });
    return {
      loss: loss(inputs).loss,
      score: oneByOne(loss, inputs, { take: metric('score') }),
      kl: oneByOne(loss, inputs, { take: metric('kl') }),
    };
  });

const exploratory: Family['run'] = (golden) =>
  onDevice(golden, { of: 'loss' }, (x) => {
    const alpha = numberOf(golden, 'alpha');
    const otherLogProbs = sums(x.float('model_logprobs_ref_data'));
    const inputs: OnlineDpoInputs = {
      logProbs: sums(x.float('model_logprobs_model_data')),
      refLogProbs: sums(x.float('ref_logprobs_model_data')),
      otherLogProbs,
      otherRefLogProbs: sums(x.float('ref_logprobs_ref_data')),
      wins: x.float<tf.Tensor1D>('chosen_mask'),
    };
    const optimistic = xpo({ ...pairOptions(golden), alpha });
    return {
      loss: optimistic(inputs).loss,
      dpo_losses: oneByOne(onlineDpo(pairOptions(golden)), inputs),
      xpo_losses: oneByOne(optimistic, inputs, { take: metric('optimism') }),
    };
  });

/** Rows i and i + B / 2 answer the same prompt; the first one is chosen at a tie. */
const online: Family['run'] = (golden) => {
  const rewards = tensorOf(golden, 'rewards').data;
  const half = rewards.length / 2;
  const wins = Array.from({ length: half }, (_, i) =>
    (rewards[i] as number) >= (rewards[i + half] as number) ? 1 : 0,
  );
  const indices = (side: number): tf.Tensor => tf.tensor1d(wins.map((win, i) => (win === side ? i : i + half)));
  return onDevice(golden, { of: 'loss' }, (x) => {
    const mask = x.float('completion_mask');
    const sequences = (name: string): tf.Tensor1D => maskedSum(x.float(name), mask, { axis: 1 }) as tf.Tensor1D;
    const [logProbs, refLogProbs] = [sequences('logprobs'), sequences('ref_logprobs')];
    const inputs: OnlineDpoInputs = {
      logProbs: tf.slice(logProbs, 0, half),
      refLogProbs: tf.slice(refLogProbs, 0, half),
      otherLogProbs: tf.slice(logProbs, half),
      otherRefLogProbs: tf.slice(refLogProbs, half),
      wins: tf.tensor1d(wins),
    };
    const loss = onlineDpo(pairOptions(golden));
    return {
      loss: loss(inputs).loss,
      losses: oneByOne(loss, inputs),
      chosen_indices: indices(1),
      rejected_indices: indices(0),
    };
  });
};

export const preferenceOnline: Family = byFunction('preference.online', {
  'NashMDTrainer._compute_losses': nash,
  'XPOTrainer._compute_losses': exploratory,
  'OnlineDPOTrainer.training_step (statements)': online,
  'A2POTrainer.compute_loss': (golden) =>
    onDevice(golden, { of: 'loss' }, (x) => {
      const vector = (name: string): tf.Tensor1D => x.float<tf.Tensor1D>(name);
      const loss = a2po({ beta: numberOf(golden, 'beta2') });
      const inputs = {
        logProbs: vector('policy_logps'),
        refLogProbs: vector('ref_logps'),
        rewards: vector('rewards'),
        optimalValues: vector('v_star'),
      };
      return { loss: loss(inputs).loss };
    }),
  'A2POTrainer._estimate_optimal_values'(golden) {
    const data = optimalValues(gridOf(golden, 'rewards'), { beta: numberOf(golden, 'beta1') });
    return onHost({ v_star: { shape: [data.length], data } });
  },
});
