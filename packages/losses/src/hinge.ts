import * as tf from '@tensorflow/tfjs-core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import type { Divergence } from './divergence.js';
import type { LossEntry } from './entry.js';
import { expectPositive } from './option-checks.js';
import { drawPairs, type PairInputs, pairLoss } from './pair.js';

/** Options of `hinge`. */
export interface HingeOptions {
  /** β > 0, default 0.05, as γ of RSO; TRL 0.1. */
  readonly beta?: number;
  /** δ > 0: the margin at which a pair is learned; default 1. */
  readonly targetMargin?: number;
  /** What keeps the policy near its reference; default `reverseKl`. */
  readonly divergence?: Divergence;
}

/**
 * Hinge on the implicit reward margin, `hinge-norm` of RSO:
 *
 *   x = β (r_w − r_l),  r = log π − log π_ref
 *   loss = mean over pairs of max(0, δ − x)
 *
 * Gradient in x: −1 where x < δ, and 0 elsewhere, x = δ included. Without a reference (`referenceFree`) and with β = 1 it
 * is the calibration term of `slic`.
 *
 * Differences: none to TRL's `hinge`. TRL's documentation calls it SLiC, which has no reference.
 *
 * Metrics: those of `dpo`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Liu et al. 2023, arXiv:2309.06657
 */
export function hinge({ beta = 0.05, targetMargin = 1, divergence }: HingeOptions = {}): Loss<PairInputs> {
  expectPositive('hinge', 'targetMargin', targetMargin);
  return pairLoss('hinge', { beta, divergence }, (chosen, rejected) =>
    tf.relu<PerSequence>(tf.sub(targetMargin, tf.mul(tf.sub(chosen, rejected), beta))),
  );
}

export const hingeEntry: LossEntry<PairInputs> = {
  name: 'hinge',
  formula: 'max(0, 1 − β (r_w − r_l)), r = log π − log π_ref',
  citation: 'arXiv:2309.06657',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: drawPairs,
  evaluate: hinge(),
};
