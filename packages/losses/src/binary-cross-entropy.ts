import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { expectSameShape, expectShape, type Loss, type PerSequence, stopGradient } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';

/** Options of `binaryCrossEntropy`. */
export interface BinaryCrossEntropyOptions {
  /** s in [0, 1), default 0: labels become y (1 − s) + s / 2. */
  readonly smoothing?: number;
  /** Weights of class 0 and class 1, by the label as given; default [1, 1]. */
  readonly classWeights?: readonly [number, number];
}

/** Inputs of `binaryCrossEntropy`. */
export interface BinaryCrossEntropyInputs {
  /** z, the log-odds of class 1, [B], differentiable. */
  readonly logits: PerSequence;
  /** y, 0 or 1, float32 [B], constant; what lies between interpolates. */
  readonly labels: PerSequence;
}

/**
 * Cross-entropy of a choice between two classes, mean over the examples:
 *
 *   (1 / N) Σ_i w(y_i) (softplus(z_i) − ŷ_i z_i),  ŷ = y (1 − s) + s / 2,  N = B, or `context.sequences`
 *
 * computed as ŷ softplus(−z) + (1 − ŷ) softplus(z), which keeps the digits of a small loss. The weighted sum is
 * divided by the number of examples, not by the sum of the weights (as PyTorch's `CrossEntropyLoss` does).
 * Gradient: w(y) (sigmoid(z) − ŷ) / N. Metric: `accuracy`, class 1 being predicted where z > 0.
 *
 * @throws OptionError when built, ShapeError when called
 * @see smoothing: Szegedy et al. 2016, arXiv:1512.00567, section 7
 */
export function binaryCrossEntropy({
  smoothing = 0,
  classWeights: [weight0, weight1] = [1, 1],
}: BinaryCrossEntropyOptions = {}): Loss<BinaryCrossEntropyInputs> {
  const who = 'binaryCrossEntropy';
  if (!(smoothing >= 0 && smoothing < 1)) throw new OptionError(who, 'smoothing', 'in [0, 1)', smoothing);
  if (![weight0, weight1].every((w) => w >= 0 && w < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'classWeights', 'two finite numbers of at least 0', [weight0, weight1]);
  }

  return ({ logits, labels }, { sequences } = {}) => {
    expectShape(who, 'logits', logits, ['B']);
    expectSameShape(who, { logits, labels });
    return tf.tidy(() => {
      const target = tf.add(tf.mul(labels, 1 - smoothing), smoothing / 2);
      const weight = tf.add(tf.mul(labels, weight1 - weight0), weight0);
      const asOne = tf.mul(target, tf.softplus(tf.neg(logits)));
      const asZero = tf.mul(tf.sub(1, target), tf.softplus(logits));
      const total = tf.sum<tf.Scalar>(tf.mul(weight, tf.add(asOne, asZero)));
      const right = tf.equal(tf.greater(stopGradient(logits), 0), tf.greater(labels, 0.5));
      return {
        loss: tf.div<tf.Scalar>(total, sequences ?? Math.max(logits.size, 1)),
        metrics: { accuracy: tf.divNoNan<tf.Scalar>(tf.sum(tf.cast(right, 'float32')), logits.size) },
      };
    });
  };
}

export const binaryCrossEntropyEntry: LossEntry<BinaryCrossEntropyInputs> = {
  name: 'binaryCrossEntropy',
  formula: 'softplus(z) − y z',
  citation: 'arXiv:1512.00567',
  per: 'example',
  differentiable: ['logits'],
  example: ({ sequences }, rng) => ({
    logits: tf.tensor1d(Float32Array.from({ length: sequences }, () => 3 * rng.normal())),
    labels: tf.tensor1d(Float32Array.from({ length: sequences }, () => (rng.uniform() < 0.5 ? 0 : 1))),
  }),
  evaluate: binaryCrossEntropy(),
};
