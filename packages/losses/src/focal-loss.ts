import * as tf from '@tensorflow/tfjs-core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import { type BinaryInputs, binaryLoss, drawBinary } from './binary-loss.js';
import type { LossEntry } from './entry.js';
import { expectNonNegative } from './option-checks.js';

/** Options of `focalLoss`. */
export interface FocalLossOptions {
  /** γ ≥ 0, default 2 as in the paper; 0 is cross-entropy. */
  readonly gamma?: number;
  /** Weights of class 0 and class 1, by the label; default [1, 1]. The paper's α is [1 − α, α]. */
  readonly classWeights?: readonly [number, number];
}

/**
 * Focal loss: cross-entropy in which examples count less, the surer the model is of their label. With p_y its
 * probability of the label:
 *
 *   (1 / N) Σ_i −w(y_i) (1 − p_y)^γ log p_y,  N = B, or `context.sequences`
 *
 * computed as exp(−γ softplus(±z)) softplus(∓z). A label between 0 and 1 interpolates the weighted losses of both.
 *
 * Gradient in z: −w (1 − p_y)^γ (1 − p_y − γ p_y log p_y) / N for label 1 and its negative for label 0. Where the model
 * contradicts the label it tends to that of cross-entropy, ∓w / N, and where it agrees it vanishes like
 * (1 + γ) e^−(1 + γ)|z|. Metric: `accuracy`, class 1 being predicted where z > 0.
 *
 * Differences: the paper divides by the number of anchors that hold an object, this by the number of examples. Its α
 * in the experiments is 0.25 (`classWeights: [0.75, 0.25]`), here no class weighs more.
 *
 * What it counts more is what the model contradicts, wrong labels among it: no loss against label noise.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Lin et al. 2017, arXiv:1708.02002, equations 4 and 5
 */
export function focalLoss({ gamma = 2, classWeights = [1, 1] }: FocalLossOptions = {}): Loss<BinaryInputs> {
  const who = 'focalLoss';
  expectNonNegative(who, 'gamma', gamma);
  return binaryLoss({
    who,
    classWeights,
    lossOf(against) {
      const focus = tf.exp(tf.mul(tf.softplus(tf.neg(against)), -gamma));
      const value = tf.mul<PerSequence>(focus, tf.softplus(against));
      // σ^γ (γ (1 − σ) softplus + σ)
      const moved = tf.mul(tf.mul(value, gamma), tf.sigmoid(tf.neg(against)));
      return { value, slope: tf.add(moved, tf.mul(focus, tf.sigmoid(against))) };
    },
  });
}

export const focalLossEntry: LossEntry<BinaryInputs> = {
  name: 'focalLoss',
  formula: '−(1 − p_y)^γ log p_y',
  citation: 'arXiv:1708.02002',
  per: 'example',
  differentiable: ['logits'],
  example: drawBinary,
  evaluate: focalLoss(),
  variants: {
    'gamma = 0': focalLoss({ gamma: 0 }),
    'gamma = 5, weighted': focalLoss({ gamma: 5, classWeights: [0.75, 0.25] }),
  },
};
