import * as tf from '@tensorflow/tfjs-core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import type { Divergence } from './divergence.js';
import type { LossEntry } from './entry.js';
import { drawPairs, type PairInputs, pairLoss } from './pair.js';

/** Options of `apoZero`. */
export interface ApoZeroOptions {
  /** β > 0, default 0.1. */
  readonly beta?: number;
}

/** Options of `apoDown`. */
export interface ApoDownOptions extends ApoZeroOptions {
  /** What keeps the policy near its reference, in the second term only; default `reverseKl`. */
  readonly divergence?: Divergence;
}

/**
 * Anchored preference optimization, zero: the chosen response up, the rejected one down, each for itself. For data
 * whose chosen responses are better than what the policy writes.
 *
 *   loss = mean over pairs of sigmoid(−β r_w) + sigmoid(β r_l),  r = log π − log π_ref
 *
 * Gradient: −β s (1 − s) in r_w with s = sigmoid(β r_w), and β s (1 − s) in r_l with that of r_l. It is KTO against 0 in
 * the place of the divergence, the two responses of a pair together.
 *
 * Differences: none to TRL's `apo_zero`, which takes no divergence either. Metrics: those of `dpo`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see D'Oosterlinck et al. 2024, arXiv:2408.06266
 */
export function apoZero({ beta = 0.1 }: ApoZeroOptions = {}): Loss<PairInputs> {
  return pairLoss('apoZero', { beta }, (chosen, rejected) =>
    tf.add<PerSequence>(tf.sigmoid(tf.mul(chosen, -beta)), tf.sigmoid(tf.mul(rejected, beta))),
  );
}

/**
 * Anchored preference optimization, down: both responses down, the rejected one further. For data whose chosen responses
 * are worse than what the policy writes.
 *
 *   loss = mean over pairs of sigmoid(β r_w) + sigmoid(−β (r_w − r_l)),  r = log π − log π_ref
 *
 * Differences: none to TRL's `apo_down`. Metrics: those of `dpo`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see D'Oosterlinck et al. 2024, arXiv:2408.06266
 */
export function apoDown({ beta = 0.1, divergence }: ApoDownOptions = {}): Loss<PairInputs> {
  return pairLoss('apoDown', { beta, divergence }, (chosen, rejected, chosenRatio) =>
    tf.add<PerSequence>(tf.sigmoid(tf.mul(chosenRatio, beta)), tf.sigmoid(tf.mul(tf.sub(rejected, chosen), beta))),
  );
}

export const apoZeroEntry: LossEntry<PairInputs> = {
  name: 'apoZero',
  formula: 'sigmoid(−β r_w) + sigmoid(β r_l), r = log π − log π_ref',
  citation: 'arXiv:2408.06266',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: drawPairs,
  evaluate: apoZero(),
};

export const apoDownEntry: LossEntry<PairInputs> = {
  name: 'apoDown',
  formula: 'sigmoid(β r_w) + sigmoid(−β (r_w − r_l)), r = log π − log π_ref',
  citation: 'arXiv:2408.06266',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: drawPairs,
  evaluate: apoDown(),
};
