import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import type { Divergence } from './divergence.js';
import type { LossEntry } from './entry.js';
import { expectSmoothing } from './option-checks.js';
import { drawPairs, type PairInputs, pairLoss } from './pair.js';

/** Options of `rdpo`. */
export interface RdpoOptions {
  /** β > 0, default 0.1. */
  readonly beta?: number;
  /**
   * ε in [0, 0.5), default 0.1: the share of the preferences that were flipped, independently. Tune it on validation
   * data where it is not known.
   */
  readonly flipRate?: number;
  /** What keeps the policy near its reference; default `reverseKl`. */
  readonly divergence?: Divergence;
  /** x_max > 0: the correction for flips stops growing where the margin x is above it. Off by default. */
  readonly marginClip?: number;
}

/**
 * Robust DPO: an unbiased estimate, from labels of which a share ε is flipped, of the DPO loss under clean labels.
 *
 *   x = β (r_w − r_l),  r = log π − log π_ref,  l(x) = softplus(−x)
 *   loss = mean over pairs of ((1 − ε) l(x) − ε l(−x)) / (1 − 2 ε) = l(x) − ε / (1 − 2 ε) · x
 *
 * Over flips: (1 − ε) loss(x) + ε loss(−x) = l(x). Computed in the second form, in which nothing cancels; with
 * `marginClip`, min(x, x_max) stands in its last term. Gradient in x: −(sigmoid(−x) + ε / (1 − 2 ε)), that of DPO and a
 * constant: where cDPO stops pulling at a margin, this never does, and for ε > 0 the loss has no lower bound. On data
 * that the policy can separate, stop early, clip the margin or choose a smaller ε. Its variance grows as
 * 1 / (1 − 2 ε)². ε = 0 is DPO.
 *
 * Differences: TRL calls it `robust`, with ε as its `label_smoothing`. It is not Dr. DPO, nor any other distributional
 * robustness. The paper has no clip.
 *
 * Metrics: those of `dpo`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Chowdhury, Kini and Natarajan 2024, arXiv:2403.00409
 */
export function rdpo({
  beta = 0.1,
  flipRate = 0.1,
  divergence,
  marginClip = Number.POSITIVE_INFINITY,
}: RdpoOptions = {}): Loss<PairInputs> {
  expectSmoothing('rdpo', 'flipRate', flipRate);
  if (!(marginClip > 0)) throw new OptionError('rdpo', 'marginClip', 'positive', marginClip);
  const share = flipRate / (1 - 2 * flipRate);
  return pairLoss('rdpo', { beta, divergence }, (chosen, rejected) => {
    const x = tf.mul<PerSequence>(tf.sub(chosen, rejected), beta);
    const clipped = marginClip === Number.POSITIVE_INFINITY ? x : tf.minimum<PerSequence>(x, marginClip);
    return tf.sub<PerSequence>(tf.softplus(tf.neg(x)), tf.mul(clipped, share));
  });
}

export const rdpoEntry: LossEntry<PairInputs> = {
  name: 'rdpo',
  formula: 'softplus(−x) − ε / (1 − 2 ε) x, x = β (r_w − r_l)',
  citation: 'arXiv:2403.00409',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: drawPairs,
  evaluate: rdpo(),
  variants: { 'with a clipped margin': rdpo({ flipRate: 0.3, marginClip: 0.1 }) },
};
