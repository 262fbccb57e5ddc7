import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import type { Divergence } from './divergence.js';
import type { LossEntry } from './entry.js';
import { drawPairs, type PairInputs, pairLoss } from './pair.js';

/** Options of `discopop`. */
export interface DiscopopOptions {
  /** β > 0, default 0.05. */
  readonly beta?: number;
  /** τ in (0, 1], default 0.05: how sharply the two losses are told apart. Above 1 the loss would be unbounded. */
  readonly tau?: number;
  /** What keeps the policy near its reference; default `reverseKl`. */
  readonly divergence?: Divergence;
}

/**
 * Discovered preference optimization (log-ratio modulated loss), a loss that a language model wrote: logistic for pairs
 * in the wrong order, exponential for the others.
 *
 *   x = β (r_w − r_l),  r = log π − log π_ref,  μ = sigmoid(x / τ)
 *   loss = mean over pairs of (1 − μ) softplus(−x) + μ exp(−x)
 *
 * μ exp(−x) is computed as exp(−x − softplus(−x / τ)): the exponential alone overflows where μ makes it vanish. The loss
 * is not convex in x, and not monotone around 0.
 *
 * Differences: none to TRL's `discopop`, which computes it as printed. Metrics: those of `dpo`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Lu et al. 2024, arXiv:2406.08414
 */
export function discopop({ beta = 0.05, tau = 0.05, divergence }: DiscopopOptions = {}): Loss<PairInputs> {
  if (!(tau > 0 && tau <= 1)) throw new OptionError('discopop', 'tau', 'in (0, 1]', tau);
  return pairLoss('discopop', { beta, divergence }, (chosen, rejected) => {
    const x = tf.mul<PerSequence>(tf.sub(chosen, rejected), beta);
    const modulated = tf.div(x, tau);
    const logistic = tf.mul(tf.sigmoid(tf.neg(modulated)), tf.softplus(tf.neg(x)));
    return tf.add<PerSequence>(logistic, tf.exp(tf.sub(tf.neg(x), tf.softplus(tf.neg(modulated)))));
  });
}

export const discopopEntry: LossEntry<PairInputs> = {
  name: 'discopop',
  formula: '(1 − μ) softplus(−x) + μ exp(−x), μ = sigmoid(x / τ), x = β (r_w − r_l)',
  citation: 'arXiv:2406.08414',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: drawPairs,
  evaluate: discopop(),
};
