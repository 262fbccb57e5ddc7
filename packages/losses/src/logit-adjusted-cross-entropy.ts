import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import { type BinaryInputs, binaryLoss, drawBinary } from './binary-loss.js';
import type { LossEntry } from './entry.js';
import { expectNonNegative } from './option-checks.js';

/** Options of `logitAdjustedCrossEntropy`. */
export interface LogitAdjustedCrossEntropyOptions {
  /** π = P(y = 1) in the training data, in (0, 1). */
  readonly prior: number;
  /** τ ≥ 0, default 1; 0 is cross-entropy. */
  readonly tau?: number;
  /** Weights of class 0 and class 1, by the label; default [1, 1]. */
  readonly classWeights?: readonly [number, number];
}

/**
 * Cross-entropy of log-odds to which those of the class prior are added in training, and only there:
 *
 *   (1 / N) Σ_i w(y_i) (softplus(ẑ_i) − y_i ẑ_i),  ẑ = z + τ log(π / (1 − π)),  N = B, or `context.sequences`
 *
 * Predictions are made with z. At its minimum ẑ is the true log-odds, so with τ = 1 and equal weights z is the log of
 * the likelihood ratio, the log-odds that a balanced prior would give, and z > 0 is the answer of best balanced
 * accuracy.
 *
 * A label between 0 and 1 interpolates the weighted losses of both. Gradient in z: w(y) (sigmoid(ẑ) − y) / N. Metric:
 * `accuracy`, of z, not ẑ: class 1 is predicted where z > 0.
 *
 * Differences: the paper adds τ log π_y to the logit of every class y; of two, the difference remains.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Menon et al. 2021, arXiv:2007.07314, the logit adjusted loss
 */
export function logitAdjustedCrossEntropy({
  prior,
  tau = 1,
  classWeights = [1, 1],
}: LogitAdjustedCrossEntropyOptions): Loss<BinaryInputs> {
  const who = 'logitAdjustedCrossEntropy';
  if (!(prior > 0 && prior < 1)) throw new OptionError(who, 'prior', 'in (0, 1)', prior);
  expectNonNegative(who, 'tau', tau);
  const shift = tau * (Math.log(prior) - Math.log1p(-prior));
  return binaryLoss({
    who,
    classWeights,
    lossOf(against, label) {
      const shifted = tf.add<PerSequence>(against, label === 1 ? -shift : shift);
      return { value: tf.softplus(shifted), slope: tf.sigmoid(shifted) };
    },
  });
}

export const logitAdjustedCrossEntropyEntry: LossEntry<BinaryInputs> = {
  name: 'logitAdjustedCrossEntropy',
  formula: 'softplus(ẑ) − y ẑ, ẑ = z + τ log(π / (1 − π))',
  citation: 'arXiv:2007.07314',
  per: 'example',
  differentiable: ['logits'],
  example: drawBinary,
  evaluate: logitAdjustedCrossEntropy({ prior: 0.1 }),
  variants: { 'tau = 0.5, weighted': logitAdjustedCrossEntropy({ prior: 0.8, tau: 0.5, classWeights: [0.5, 2] }) },
};
