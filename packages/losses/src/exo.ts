import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { bernoulliKl, type Loss, type PerSequence } from '@tsrl/tensor';
import type { Divergence } from './divergence.js';
import type { LossEntry } from './entry.js';
import { drawPairs, type PairInputs, pairLoss } from './pair.js';

/** Options of `exo`. */
export interface ExoOptions {
  /** β > 0, default 0.1. */
  readonly beta?: number;
  /** ε in (0, 0.5), default 0.001: the rejected response has this share of the target. */
  readonly labelSmoothing?: number;
  /** What keeps the policy near its reference; default `reverseKl`. */
  readonly divergence?: Divergence;
}

/**
 * Efficient exact optimization for pairs: the divergence in the other direction than DPO, from the policy's choice
 * between the two responses to the smoothed label.
 *
 *   x = β (r_w − r_l),  r = log π − log π_ref,  p = sigmoid(x)
 *   loss = mean over pairs of p (log p − log(1 − ε)) + (1 − p) (log(1 − p) − log ε) = KL(p ‖ 1 − ε)
 *
 * Gradient in x: p (1 − p) (x − log((1 − ε) / ε)); the minimum, 0, is at x = log((1 − ε) / ε). ε = 0 would be infinite.
 *
 * Differences: TRL's `exo_pair` is computed as printed, here by `bernoulliKl`, which keeps the digits near the minimum;
 * older TRL took 0.001 where it was told 0.
 *
 * Metrics: those of `dpo`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Ji et al. 2024, arXiv:2402.00856
 */
export function exo({ beta = 0.1, labelSmoothing = 0.001, divergence }: ExoOptions = {}): Loss<PairInputs> {
  if (!(labelSmoothing > 0 && labelSmoothing < 0.5)) {
    throw new OptionError('exo', 'labelSmoothing', 'in (0, 0.5)', labelSmoothing);
  }
  const target = Math.log1p(-labelSmoothing) - Math.log(labelSmoothing);
  return pairLoss('exo', { beta, divergence }, (chosen, rejected) => {
    const x = tf.mul<PerSequence>(tf.sub(chosen, rejected), beta);
    return bernoulliKl(x, tf.fill<tf.Rank.R1>([x.size], target));
  });
}

export const exoEntry: LossEntry<PairInputs> = {
  name: 'exo',
  formula: 'KL(sigmoid(x) ‖ 1 − ε), x = β (r_w − r_l)',
  citation: 'arXiv:2402.00856',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: drawPairs,
  evaluate: exo(),
};
