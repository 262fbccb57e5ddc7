import * as tf from '@tensorflow/tfjs-core';
import { OptionError, type Rng } from '@tsrl/core';
import { expectSameShape, expectShape, type Loss, type PerSequence, withGradient } from '@tsrl/tensor';
import type { ExampleShape } from './entry.js';

/** Inputs of the losses of a choice between two classes. */
export interface BinaryInputs {
  /** z, the log-odds of class 1, [B], differentiable; p = sigmoid(z). */
  readonly logits: PerSequence;
  /** y, 0 or 1, float32 [B], constant; between them a loss is y times that of 1 plus 1 − y times that of 0. */
  readonly labels: PerSequence;
}

/** What `binaryLoss` makes a loss of. */
export interface BinaryLossParts {
  readonly who: string;
  /** Weights of class 0 and class 1. */
  readonly classWeights: readonly [number, number];
  /** s in [0, 1): the share of the loss of an example that is spread over both labels evenly. */
  readonly smoothing?: number;
  /** The loss of a label and its derivative, from the log-odds of the class that it is not: −z for 1, z for 0. */
  lossOf(against: PerSequence, label: 0 | 1): { readonly value: PerSequence; readonly slope: PerSequence };
}

/**
 * (1 / N) Σ_i y_i w₁ ℓ(z_i, 1) + (1 − y_i) w₀ ℓ(z_i, 0), N = B or `context.sequences`, and the share of the examples
 * for which z > 0 agrees with y > ½. Losses go by −z and z, not by p, to keep the digits of probabilities near 0 and 1.
 * It is one operation with a gradient of its own: small batches spend their time on launching kernels, not in them.
 *
 * @throws OptionError when built, ShapeError when called
 */
export function binaryLoss({ who, classWeights, smoothing = 0, lossOf }: BinaryLossParts): Loss<BinaryInputs> {
  const [weight0, weight1] = classWeights;
  if (!classWeights.every((w) => w >= 0 && w < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'classWeights', 'two finite numbers of at least 0', classWeights);
  }
  /** A line in y, through its values at 0 and at 1. */
  const line = (y: PerSequence, at0: number, at1: number): PerSequence => tf.add(tf.mul(y, at1 - at0), at0);
  const [kept, flipped] = [1 - smoothing / 2, smoothing / 2];

  return ({ logits, labels }, { sequences } = {}) => {
    expectShape(who, 'logits', logits, ['B']);
    expectSameShape(who, { logits, labels });
    return tf.tidy(() => {
      const examples = sequences ?? logits.size;
      const told = withGradient<tf.Tensor1D>(
        [logits],
        () => {
          const [one, zero] = [lossOf(tf.neg(logits), 1), lossOf(logits, 0)];
          const asOne = line(labels, weight0 * flipped, weight1 * kept);
          const asZero = line(labels, weight0 * kept, weight1 * flipped);
          const total = tf.sum(tf.add(tf.mul(asOne, one.value), tf.mul(asZero, zero.value)));
          const right = tf.equal(tf.greater(logits, 0), tf.greater(labels, 0.5));
          const sums = tf.stack([total, tf.sum(tf.cast(right, 'float32'))]) as tf.Tensor1D;
          const slope = tf.sub(tf.mul(asZero, zero.slope), tf.mul(asOne, one.slope));
          return { value: tf.mul(sums, [1 / examples, 1 / logits.size]), saved: [tf.mul(slope, 1 / examples)] };
        },
        (dy, [slope]) => [tf.mul(slope as tf.Tensor, tf.slice(dy, 0, 1))],
      );
      const [loss, accuracy] = tf.unstack(told) as [tf.Scalar, tf.Scalar];
      return { loss, metrics: { accuracy } };
    });
  };
}

/** Log-odds and labels at random. */
export const drawBinary = ({ sequences }: ExampleShape, rng: Rng): BinaryInputs => ({
  logits: tf.tensor1d(Float32Array.from({ length: sequences }, () => 3 * rng.normal())),
  labels: tf.tensor1d(Float32Array.from({ length: sequences }, () => (rng.uniform() < 0.5 ? 0 : 1))),
});
