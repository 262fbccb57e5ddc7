import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import { type BinaryInputs, binaryLoss, drawBinary } from './binary-loss.js';
import type { LossEntry } from './entry.js';

/** Options of `binaryCrossEntropy`. */
export interface BinaryCrossEntropyOptions {
  /** s in [0, 1), default 0: labels become y (1 − s) + s / 2. */
  readonly smoothing?: number;
  /** Weights of class 0 and class 1, by the label as given; default [1, 1]. */
  readonly classWeights?: readonly [number, number];
}

/** Inputs of `binaryCrossEntropy`. */
export type BinaryCrossEntropyInputs = BinaryInputs;

/**
 * Cross-entropy of a choice between two classes, mean over the examples:
 *
 *   (1 / N) Σ_i w(y_i) (softplus(z_i) − ŷ_i z_i),  ŷ = y (1 − s) + s / 2,  N = B, or `context.sequences`
 *
 * computed as ŷ softplus(−z) + (1 − ŷ) softplus(z), which keeps the digits of a small loss. The weighted sum is
 * divided by the number of examples, not by the sum of the weights (as PyTorch's `CrossEntropyLoss` does). A label
 * between 0 and 1 interpolates the weighted losses of both. Gradient: w(y) (sigmoid(z) − ŷ) / N. Metric: `accuracy`,
 * class 1 being predicted where z > 0.
 *
 * @throws OptionError when built, ShapeError when called
 * @see smoothing: Szegedy et al. 2016, arXiv:1512.00567, section 7
 */
export function binaryCrossEntropy({
  smoothing = 0,
  classWeights = [1, 1],
}: BinaryCrossEntropyOptions = {}): Loss<BinaryCrossEntropyInputs> {
  const who = 'binaryCrossEntropy';
  if (!(smoothing >= 0 && smoothing < 1)) throw new OptionError(who, 'smoothing', 'in [0, 1)', smoothing);
  const lossOf = (against: PerSequence) => ({ value: tf.softplus(against), slope: tf.sigmoid(against) });
  return binaryLoss({ who, classWeights, smoothing, lossOf });
}

export const binaryCrossEntropyEntry: LossEntry<BinaryCrossEntropyInputs> = {
  name: 'binaryCrossEntropy',
  formula: 'softplus(z) − y z',
  citation: 'arXiv:1512.00567',
  per: 'example',
  differentiable: ['logits'],
  example: drawBinary,
  evaluate: binaryCrossEntropy(),
  variants: { 'smoothed and weighted': binaryCrossEntropy({ smoothing: 0.1, classWeights: [0.5, 2] }) },
};
