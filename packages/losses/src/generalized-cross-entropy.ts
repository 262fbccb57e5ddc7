import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { Loss } from '@tsrl/tensor';
import { type BinaryInputs, binaryLoss, drawBinary } from './binary-loss.js';
import type { LossEntry } from './entry.js';

/** Options of `generalizedCrossEntropy`. */
export interface GeneralizedCrossEntropyOptions {
  /** q in [0, 1], default 0.7 as in the paper: 0 is cross-entropy, 1 is 1 − p_y. */
  readonly q?: number;
  /** Weights of class 0 and class 1, by the label; default [1, 1]. */
  readonly classWeights?: readonly [number, number];
}

/**
 * Generalized cross-entropy, between the cross-entropy, which learns from labels fast, wrong ones too, and the mean
 * absolute error, which tolerates wrong ones and learns slowly. With p_y the probability of the label:
 *
 *   (1 / N) Σ_i w(y_i) (1 − p_y^q) / q,  N = B, or `context.sequences`
 *
 * computed as −expm1(−q s) / q from s = −log p_y = softplus(∓z), which keeps the digits of a small loss and of a small
 * q. A label between 0 and 1 interpolates the weighted losses of both.
 *
 * Gradient in z: −w p_y^q (1 − p_y) / N for label 1 and w p_y^q (1 − p_y) / N for label 0: that of cross-entropy times
 * p_y^q. It vanishes on both sides: like e^−|z| where the model agrees with the label, like e^−q|z| where it does not.
 * The loss is at most w / q. Metric: `accuracy`, class 1 being predicted where z > 0.
 *
 * Differences: without the paper's truncation at p_y ≤ k, which drops the examples that the model contradicts most.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Zhang & Sabuncu 2018, arXiv:1805.07836, the L_q loss
 */
export function generalizedCrossEntropy({
  q = 0.7,
  classWeights = [1, 1],
}: GeneralizedCrossEntropyOptions = {}): Loss<BinaryInputs> {
  const who = 'generalizedCrossEntropy';
  if (!(q >= 0 && q <= 1)) throw new OptionError(who, 'q', 'in [0, 1]', q);
  return binaryLoss({
    who,
    classWeights,
    lossOf(against) {
      const surprisal = tf.softplus(against);
      // The limit; below this q the two differ by less than float32 tells apart, up to |z| = 1e4.
      if (q < 1e-12) return { value: surprisal, slope: tf.sigmoid(against) };
      const scaled = tf.mul(surprisal, -q);
      return { value: tf.div(tf.expm1(scaled), -q), slope: tf.mul(tf.exp(scaled), tf.sigmoid(against)) };
    },
  });
}

export const generalizedCrossEntropyEntry: LossEntry<BinaryInputs> = {
  name: 'generalizedCrossEntropy',
  formula: '(1 − p_y^q) / q',
  citation: 'arXiv:1805.07836',
  per: 'example',
  differentiable: ['logits'],
  example: drawBinary,
  evaluate: generalizedCrossEntropy(),
  variants: {
    'q = 0': generalizedCrossEntropy({ q: 0 }),
    'q = 1, weighted': generalizedCrossEntropy({ q: 1, classWeights: [0.5, 2] }),
  },
};
