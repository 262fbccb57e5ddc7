import * as tf from '@tensorflow/tfjs-core';
import { OptionError, type Rng } from '@tsrl/core';
import { expectSameShape, expectShape, type Loss, type LossResult, type PerSequence, stopGradient } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawSequences } from './example.js';
import { expectNonNegative, expectPositive } from './option-checks.js';
import { classMeans, drawUnpaired, expectUnpaired, type UnpairedInputs } from './unpaired.js';

/** Options of `kto` and `apoZeroUnpaired`. */
export interface KtoOptions {
  /** β > 0, default 0.1. */
  readonly beta?: number;
  /** λ_D ≥ 0, default 1. The paper keeps λ_D n_D / (λ_U n_U) within [1, 4/3]. */
  readonly desirableWeight?: number;
  /** λ_U ≥ 0, default 1. */
  readonly undesirableWeight?: number;
}

/** Inputs of `kto`. */
export interface KtoInputs extends UnpairedInputs {
  /**
   * log π(y' | x) of completions y' that belong to other prompts (`mismatched`), [N], constant; N need not be B. They
   * estimate one number for the whole batch: where the batch comes in parts, every part needs all of them.
   */
  readonly klLogProbs: PerSequence;
  /** log π_ref(y' | x) of the same, [N], constant. */
  readonly refKlLogProbs: PerSequence;
}

/**
 * Kahneman-Tversky optimization: how much better than expected a completion is, through a function with diminishing
 * returns on both sides.
 *
 *   r = logProbs − refLogProbs,  z₀ = max(0, mean(klLogProbs − refKlLogProbs)), an estimate of KL(π ‖ π_ref), constant
 *   loss = (1 / N) Σ y λ_D sigmoid(β (z₀ − r)) + (1 − y) λ_U sigmoid(β (r − z₀)),  N = B, or `context.sequences`
 *
 * Gradient in logProbs: −y λ_D β s (1 − s) / N and +(1 − y) λ_U β s (1 − s) / N, s = sigmoid(β (r − z₀)): unlike
 * BCO's it vanishes at both ends. With labels between 0 and 1 the two losses interpolate.
 *
 * Without any mismatched completion (N = 0) z₀ is 0. With the matched ones in their place z₀ would be the mean of r and not
 * an estimate of the divergence.
 *
 * Differences: none to TRL's `KTOTrainer`, which takes y' from the neighbour in a fixed order of the data. HALOs
 * leaves out sequences whose log-ratio is 0 from the mean: give those that are not empty.
 *
 * Metrics: `desirableReward` and `undesirableReward`, the mean β r of each class (0 where the batch has none), `kl` (z₀).
 *
 * @throws OptionError when built, ShapeError when called
 * @see Ethayarajh et al. 2024, arXiv:2402.01306, section 4.1
 */
export function kto(options: KtoOptions = {}): Loss<KtoInputs> {
  const evaluate = kahnemanTversky('kto', options);
  return (inputs, { sequences } = {}) => {
    expectUnpaired('kto', inputs);
    const { klLogProbs, refKlLogProbs } = inputs;
    expectShape('kto', 'klLogProbs', klLogProbs, ['N']);
    expectSameShape('kto', { klLogProbs, refKlLogProbs });
    return tf.tidy(() => {
      const gap = tf.sub(stopGradient(klLogProbs), stopGradient(refKlLogProbs));
      const kl = tf.maximum<tf.Scalar>(tf.divNoNan<tf.Scalar>(tf.sum(gap), gap.size), 0);
      const { loss, metrics } = evaluate(inputs, kl, sequences);
      return { loss, metrics: { ...metrics, kl } };
    });
  };
}

/**
 * KTO against 0 in the place of the divergence: APO-zero for feedback without pairs. For one desirable and one
 * undesirable completion the two losses add up to APO-zero of the pair.
 *
 *   loss = (1 / N) Σ y λ_D sigmoid(−β r) + (1 − y) λ_U sigmoid(β r),  r = logProbs − refLogProbs
 *
 * Metrics: `desirableReward` and `undesirableReward` as those of `kto`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see D'Oosterlinck et al. 2024, arXiv:2408.06266; TRL's `apo_zero_unpaired`
 */
export function apoZeroUnpaired(options: KtoOptions = {}): Loss<UnpairedInputs> {
  const evaluate = kahnemanTversky('apoZeroUnpaired', options);
  return (inputs, { sequences } = {}) => {
    expectUnpaired('apoZeroUnpaired', inputs);
    return tf.tidy(() => ({ ...evaluate(inputs, tf.scalar(0), sequences) }));
  };
}

function kahnemanTversky(
  who: string,
  { beta = 0.1, desirableWeight = 1, undesirableWeight = 1 }: KtoOptions,
): (inputs: UnpairedInputs, reference: tf.Scalar, sequences: number | undefined) => LossResult {
  expectPositive(who, 'beta', beta);
  for (const [name, weight] of Object.entries({ desirableWeight, undesirableWeight })) {
    expectNonNegative(who, name, weight);
  }
  return (inputs, reference, sequences) => {
    const { logProbs, refLogProbs, labels } = inputs;
    const ratios = tf.sub<PerSequence>(logProbs, refLogProbs);
    const logOdds = tf.mul<PerSequence>(tf.sub(ratios, reference), beta);
    const asDesirable = tf.mul(tf.mul(labels, desirableWeight), tf.sigmoid(tf.neg(logOdds)));
    const asUndesirable = tf.mul(tf.mul(tf.sub(1, labels), undesirableWeight), tf.sigmoid(logOdds));
    const { desirable, undesirable } = classMeans(tf.mul(ratios, beta), labels);
    const total = tf.sum<tf.Scalar>(tf.add(asDesirable, asUndesirable));
    return {
      loss: tf.div<tf.Scalar>(total, sequences ?? Math.max(labels.size, 1)),
      metrics: { desirableReward: desirable, undesirableReward: undesirable },
    };
  };
}

/**
 * Whose completion each prompt of a batch gets for `klLogProbs`: entry i is (i + s) mod count, with a shift s in
 * [1, count) drawn for the batch, so that no prompt keeps its own and every completion is used once.
 *
 * @throws OptionError unless `count` is a whole number of at least 2
 */
export function mismatched(count: number, rng: Rng): Int32Array {
  if (!(Number.isInteger(count) && count >= 2)) {
    throw new OptionError('mismatched', 'count', 'a whole number of at least 2', count);
  }
  const shift = 1 + Math.floor(rng.uniform() * (count - 1));
  return Int32Array.from({ length: count }, (_, i) => (i + shift) % count);
}

export const ktoEntry: LossEntry<KtoInputs> = {
  name: 'kto',
  formula: 'y λ_D sigmoid(β (z₀ − r)) + (1 − y) λ_U sigmoid(β (r − z₀)), r = log π − log π_ref',
  citation: 'arXiv:2402.01306',
  per: 'example',
  differentiable: ['logProbs'],
  ofBatch: ['klLogProbs', 'refKlLogProbs'],
  example: (shape, rng) => ({
    ...drawUnpaired(shape, rng),
    klLogProbs: drawSequences(shape, drawLogProb(rng)),
    refKlLogProbs: drawSequences(shape, drawLogProb(rng)),
  }),
  evaluate: kto(),
};

export const apoZeroUnpairedEntry: LossEntry<UnpairedInputs> = {
  name: 'apoZeroUnpaired',
  formula: 'y λ_D sigmoid(−β r) + (1 − y) λ_U sigmoid(β r), r = log π − log π_ref',
  citation: 'arXiv:2408.06266',
  per: 'example',
  differentiable: ['logProbs'],
  example: drawUnpaired,
  evaluate: apoZeroUnpaired(),
};
