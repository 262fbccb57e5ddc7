import * as tf from '@tensorflow/tfjs-core';
import {
  distillation,
  fromLogits,
  importanceWeights,
  iwOpd,
  type Loss,
  sampledDistillation,
  type TokenInputs,
  tokenWeighted,
} from '@tsrl/losses';
import { type Aggregate, selectiveLogSoftmax, sequenceSum, tokenMean, tokenSum } from '@tsrl/tensor';
import { type DeviceInputs, onDevice } from '../device.js';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { flagOf, has, numberOf, optionalNumber, tensorOf, textOf } from '../inputs.js';
import { byFunction, type Family } from '../outcome.js';

const size = (golden: GoldenCase, axis: number): number => tensorOf(golden, 'student_logits').shape[axis] as number;

/** 1 where a label is not −100, or everywhere. */
function maskOf(golden: GoldenCase, x: DeviceInputs): tf.Tensor2D {
  if (has(golden, 'mask')) return x.float('mask');
  if (has(golden, 'labels')) return tf.cast(tf.notEqual(x.float('labels'), -100), 'float32');
  return tf.ones([size(golden, 0), size(golden, 1)]);
}

const times =
  (factor: number, aggregate: Aggregate): Aggregate =>
  (perToken, mask, context) =>
    tf.mul<tf.Scalar>(aggregate(perToken, mask, context), factor);

/** The reductions of `F.kl_div`: without labels, `batchmean` divides by the rows. */
function reduction(golden: GoldenCase): Aggregate {
  const items = optionalNumber(golden, 'num_items_in_batch');
  if (items !== undefined) return times(1 / items, tokenSum);
  const name = textOf(golden, 'reduction');
  if (name === 'sum') return tokenSum;
  if (name === 'mean') return times(1 / size(golden, 2), tokenMean);
  if (name === 'batchmean') return has(golden, 'labels') || has(golden, 'mask') ? tokenMean : sequenceSum;
  throw new UnmappedError(`no reduction is called ${name}`);
}

/** Logits of both, at positions that predict the tokens beside them. */
const logitsOf = (x: DeviceInputs): { readonly logits: tf.Tensor3D; readonly teacherLogits: tf.Tensor3D } => ({
  logits: x.float<tf.Tensor3D>('student_logits'),
  teacherLogits: x.float<tf.Tensor3D>('teacher_logits'),
});

export const distillationJsd: Family = {
  file: 'distillation.jsd',
  run(golden) {
    const loss = distillation({
      beta: numberOf(golden, 'beta'),
      temperature: numberOf(golden, 'temperature', 1),
      aggregate: reduction(golden),
    });
    return onDevice(golden, { of: 'loss' }, (x) => ({ loss: loss({ ...logitsOf(x), mask: maskOf(golden, x) }).loss }));
  },
};

export const distillationMiniLlm: Family = {
  file: 'distillation.minillm',
  run(golden) {
    const loss = distillation({ beta: 1, aggregate: reduction(golden) });
    return onDevice(golden, { of: 'loss' }, (x) => ({ loss: loss({ ...logitsOf(x), mask: maskOf(golden, x) }).loss }));
  },
};

export const distillationIwOpd: Family = {
  file: 'distillation.iw-opd',
  run(golden) {
    const loss = fromLogits(iwOpd({ gamma: numberOf(golden, 'gamma') }), {
      temperature: numberOf(golden, 'temperature', 1),
    });
    return onDevice(golden, { of: 'loss' }, (x) => ({
      loss: loss({
        logits: x.float<tf.Tensor3D>('student_logits'),
        ids: x.ids('completion_tokens'),
        mask: maskOf(golden, x),
        teacherLogProbs: x.float('teacher_logprobs'),
        ...(has(golden, 'rollout_logprobs') ? { rolloutLogProbs: x.float('rollout_logprobs') } : {}),
      }).loss,
    }));
  },
};

/** The losses of the tokens as they enter the sum, and that sum, whose gradients the case has. */
function perToken<Inputs>(
  x: DeviceInputs,
  build: (aggregate: Aggregate) => Loss<Inputs>,
  inputs: Inputs,
): Record<string, tf.Tensor> {
  let seen: tf.Tensor | undefined;
  const look: Aggregate = (losses, mask) => {
    seen = x.keep(losses);
    return tokenSum(losses, mask);
  };
  const { loss } = build(look)(inputs);
  return { sum: loss, per_token: seen as tf.Tensor };
}

const overVocabulary =
  (optionsOf: (golden: GoldenCase) => { readonly topK?: number; readonly tail?: boolean }): Family['run'] =>
  (golden) =>
    onDevice(golden, { of: 'sum' }, (x) => {
      const options = { beta: numberOf(golden, 'distillation_alpha'), ...optionsOf(golden) };
      const inputs = { ...logitsOf(x), mask: maskOf(golden, x) };
      return perToken(x, (aggregate) => distillation({ ...options, aggregate }), inputs);
    });

export const distillationSelf: Family = byFunction('distillation.self', {
  compute_full_logit_self_distillation_loss: overVocabulary(() => ({})),
  compute_topk_self_distillation_loss: overVocabulary((golden) => ({
    topK: numberOf(golden, 'distillation_topk'),
    tail: flagOf(golden, 'distillation_add_tail'),
  })),
  compute_sampled_token_self_distillation_loss: (golden) =>
    onDevice(golden, { of: 'sum' }, (x) => {
      const { logits, teacherLogits } = logitsOf(x);
      const [ids, mask] = [x.ids('completion_ids'), maskOf(golden, x)];
      const teacherLogProbs = selectiveLogSoftmax(teacherLogits, ids);
      return perToken(x, (aggregate) => fromLogits(sampledDistillation({ aggregate })), {
        logits,
        ids,
        mask,
        teacherLogProbs,
      });
    }),
  apply_importance_sampling_clipping: (golden) =>
    onDevice(golden, { of: 'sum' }, (x) => {
      const logProbs = x.float('student_log_probs');
      const given =
        (aggregate: Aggregate): Loss<TokenInputs> =>
        ({ mask }, context = {}) => ({
          loss: aggregate(x.float('per_token_loss'), mask, context),
          metrics: {},
        });
      const tokenWeights = importanceWeights(logProbs, x.float('old_log_probs'), {
        maxRatio: numberOf(golden, 'clip_coeff'),
      });
      const mask = tf.ones<tf.Rank.R2>(logProbs.shape);
      return perToken(x, (aggregate) => tokenWeighted(given, { aggregate }), { logProbs, mask, tokenWeights });
    }),
});
