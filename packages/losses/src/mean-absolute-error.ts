import * as tf from '@tensorflow/tfjs-core';
import type { Loss } from '@tsrl/tensor';
import { type BinaryInputs, binaryLoss, drawBinary } from './binary-loss.js';
import type { LossEntry } from './entry.js';

/** Options of `meanAbsoluteError`. */
export interface MeanAbsoluteErrorOptions {
  /** Weights of class 0 and class 1, by the label; default [1, 1]. */
  readonly classWeights?: readonly [number, number];
}

/**
 * Mean absolute error between the two probabilities and the label as a unit vector, |p − e_y|₁:
 *
 *   (1 / N) Σ_i w(y_i) 2 (1 − p_y),  N = B, or `context.sequences`
 *
 * Symmetric: the losses of both labels of an example add up to 2 whatever z is,
 * so with equal weights labels that are wrong with one probability below ½ only scale the expected loss and move it,
 * and its minimum stays where it was. It is 1 − E[r] for an answer drawn from the model and r = ±1 for right and wrong.
 *
 * A label between 0 and 1 interpolates the weighted losses of both, which is the expected loss when the label is drawn;
 * |p − y| itself is not linear in y. Gradient in z: −2 w p (1 − p) / N for label 1 and 2 w p (1 − p) / N for label 0,
 * which vanishes like 2 e^−|z| on both sides: what the model is sure of, it does not unlearn. Metric: `accuracy`, class 1
 * being predicted where z > 0.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Ghosh, Kumar & Sastry 2017, arXiv:1712.09482, theorem 1
 */
export function meanAbsoluteError({ classWeights = [1, 1] }: MeanAbsoluteErrorOptions = {}): Loss<BinaryInputs> {
  return binaryLoss({
    who: 'meanAbsoluteError',
    classWeights,
    lossOf(against) {
      const wrong = tf.sigmoid(against);
      // Not wrong (1 − wrong), which is 0 from 17 on.
      return { value: tf.mul(wrong, 2), slope: tf.mul(tf.mul(wrong, tf.sigmoid(tf.neg(against))), 2) };
    },
  });
}

export const meanAbsoluteErrorEntry: LossEntry<BinaryInputs> = {
  name: 'meanAbsoluteError',
  formula: '2 (1 − p_y)',
  citation: 'arXiv:1712.09482',
  per: 'example',
  differentiable: ['logits'],
  example: drawBinary,
  evaluate: meanAbsoluteError(),
  variants: { weighted: meanAbsoluteError({ classWeights: [0.5, 2] }) },
};
