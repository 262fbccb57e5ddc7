import * as tf from '@tensorflow/tfjs-core';
import { expectSameShape, expectShape, type Loss, type PerSequence, stopGradient } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { expectPositive, expectSmoothing } from './option-checks.js';
import { drawPairs, expectPairs, type PairInputs, pairResult, smoothedLogistic } from './pair.js';

/** Options of `aot` and `aotUnpaired`. */
export interface AotOptions {
  /** β > 0, default 0.01. */
  readonly beta?: number;
  /** ε in [0, 0.5), default 0. */
  readonly labelSmoothing?: number;
}

/** Inputs of `aot`: pairs without weights, which a sorted batch has no place for. */
export type AotInputs = Omit<PairInputs, 'weights'>;

/**
 * Alignment by optimal transport, paired: the margins of the policy, as a distribution over the batch, shall dominate
 * those of the reference.
 *
 *   d_k = k-th smallest of (log π(y_w) − log π(y_l)) − k-th smallest of (log π_ref(y_w) − log π_ref(y_l))
 *   loss = (1 / N) Σ_k (1 − ε) softplus(−β d_k) + ε softplus(β d_k),  N = B, or `context.sequences`
 *
 * Gradients flow through the order as it is. It needs batches that are large enough to be distributions; of one pair
 * it is DPO. The losses of parts of a batch do not add up to that of the whole, because the parts are sorted apart.
 *
 * Differences: none to TRL's `aot`. Metrics: those of `dpo`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Melnyk et al. 2024, arXiv:2406.05882, section 3
 */
export function aot({ beta = 0.01, labelSmoothing = 0 }: AotOptions = {}): Loss<AotInputs> {
  expectPositive('aot', 'beta', beta);
  expectSmoothing('aot', 'labelSmoothing', labelSmoothing);
  return (inputs, context = {}) => {
    expectPairs('aot', inputs);
    const { chosenLogProbs, rejectedLogProbs, refChosenLogProbs, refRejectedLogProbs } = inputs;
    return tf.tidy(() => {
      const now = quantiles(tf.sub(chosenLogProbs, rejectedLogProbs), chosenLogProbs.size);
      const reference = quantiles(tf.sub(refChosenLogProbs, refRejectedLogProbs), chosenLogProbs.size);
      const losses = smoothedLogistic(tf.mul(tf.sub(now, reference), beta), labelSmoothing);
      const chosen = tf.sub<PerSequence>(chosenLogProbs, refChosenLogProbs);
      const rejected = tf.sub<PerSequence>(rejectedLogProbs, refRejectedLogProbs);
      return pairResult(losses, { chosenLogProbs, rejectedLogProbs }, context, { beta, chosen, rejected });
    });
  };
}

/**
 * Alignment by optimal transport, unpaired: the rewards of chosen responses, as a distribution over the batch, shall
 * dominate those of rejected ones, of whatever prompts.
 *
 *   d_k = k-th smallest r of the chosen − k-th smallest r of the rejected,  r = log π − log π_ref
 *   loss = (1 / K) Σ_k (1 − ε) softplus(−β d_k) + ε softplus(β d_k)
 *
 * The chosen are [B] and the rejected may be another number, [C]: then K = max(B, C), and the smaller side is read at
 * the quantiles (k − ½) / K, between its values in a straight line.
 *
 * Differences: none to TRL's `aot_unpaired` (`aot_pair` before 2026), which needs B = C. Metrics: `chosenReward`,
 * `rejectedReward`, `margin`, the difference of these means; there are no pairs to have an accuracy.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Melnyk et al. 2024, arXiv:2406.05882, section 3
 */
export function aotUnpaired({ beta = 0.01, labelSmoothing = 0 }: AotOptions = {}): Loss<AotInputs> {
  const who = 'aotUnpaired';
  expectPositive(who, 'beta', beta);
  expectSmoothing(who, 'labelSmoothing', labelSmoothing);
  return ({ chosenLogProbs, refChosenLogProbs, rejectedLogProbs, refRejectedLogProbs }) => {
    expectSide(who, 'chosenLogProbs', chosenLogProbs);
    expectSameShape(who, { chosenLogProbs, refChosenLogProbs });
    expectSide(who, 'rejectedLogProbs', rejectedLogProbs);
    expectSameShape(who, { rejectedLogProbs, refRejectedLogProbs });
    const count = Math.max(chosenLogProbs.size, rejectedLogProbs.size);
    return tf.tidy(() => {
      const chosen = tf.sub<PerSequence>(chosenLogProbs, refChosenLogProbs);
      const rejected = tf.sub<PerSequence>(rejectedLogProbs, refRejectedLogProbs);
      const gaps = tf.sub<PerSequence>(quantiles(chosen, count), quantiles(rejected, count));
      const reward = (of: PerSequence): tf.Scalar => tf.mul<tf.Scalar>(tf.mean(stopGradient(of)), beta);
      const [chosenReward, rejectedReward] = [reward(chosen), reward(rejected)];
      return {
        loss: tf.mean<tf.Scalar>(smoothedLogistic(tf.mul(gaps, beta), labelSmoothing)),
        metrics: { chosenReward, rejectedReward, margin: tf.sub<tf.Scalar>(chosenReward, rejectedReward) },
      };
    });
  };
}

/** The quantiles (k − ½) / count of some values, ascending; these values themselves where there are `count` of them. */
function quantiles(x: PerSequence, count: number): PerSequence {
  const { size } = x;
  const { indices } = tf.topk(tf.neg(stopGradient(x)), size);
  const sorted = tf.gather(x, indices as tf.Tensor1D);
  if (size === count) return sorted;
  // Value j stands at the quantile (j + ½) / size; beyond the first and the last there is nothing to go by.
  const places = Array.from({ length: count }, (_, k) =>
    Math.min(Math.max(((k + 0.5) * size) / count - 0.5, 0), size - 1),
  );
  const below = places.map(Math.floor);
  const share = tf.tensor1d(places.map((place, k) => place - (below[k] as number)));
  const low = tf.gather(sorted, tf.tensor1d(below, 'int32'));
  const high = tf.gather(sorted, tf.tensor1d(places.map(Math.ceil), 'int32'));
  return tf.add<PerSequence>(low, tf.mul(tf.sub(high, low), share));
}

function expectSide(who: string, name: string, side: PerSequence): void {
  expectShape(who, name, side, ['B']);
}

const drawAot: LossEntry<AotInputs>['example'] = (shape, rng) => {
  const { weights, ...inputs } = drawPairs(shape, rng);
  weights?.dispose();
  return inputs;
};

const sortedApart = 'the batch is sorted as a whole';

export const aotEntry: LossEntry<AotInputs> = {
  name: 'aot',
  formula: 'softplus(−β d_k), d = sorted margins of π − sorted margins of π_ref',
  citation: 'arXiv:2406.05882',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  excused: { parts: sortedApart },
  example: drawAot,
  evaluate: aot(),
};

export const aotUnpairedEntry: LossEntry<AotInputs> = {
  name: 'aotUnpaired',
  formula: 'softplus(−β d_k), d = sorted r of the chosen − sorted r of the rejected',
  citation: 'arXiv:2406.05882',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  excused: { parts: sortedApart },
  example: drawAot,
  evaluate: aotUnpaired(),
};
