import * as tf from '@tensorflow/tfjs-core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import type { Divergence } from './divergence.js';
import type { LossEntry } from './entry.js';
import { expectFinite } from './option-checks.js';
import { drawPairs, type PairInputs, pairLoss } from './pair.js';

/** Options of `bcoPair`. */
export interface BcoPairOptions {
  /** β > 0, default 0.1. */
  readonly beta?: number;
  /** δ, what the rewards are compared with; default 0. The trackers of `bco` give others. */
  readonly shift?: number;
  /** What keeps the policy near its reference; default `reverseKl`. */
  readonly divergence?: Divergence;
}

/**
 * Binary classifier optimization of pairs: `bco` of the chosen response as desirable and of the rejected one as
 * undesirable, added up.
 *
 *   loss = mean over pairs of softplus(δ − β r_w) + softplus(β r_l − δ),  r = log π − log π_ref
 *
 * It is above the DPO loss of the pair for every δ. The pair counts once: `bco` over the same 2 B responses is half of
 * it.
 *
 * Differences: none to TRL's `bco_pair`, where δ is 0 (a running mean of rewards up to version 0.19). The formula
 * printed for it in TRL's paper index is that of DPO.
 *
 * Metrics: those of `dpo`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Jung et al. 2024, arXiv:2404.04656
 */
export function bcoPair({ beta = 0.1, shift = 0, divergence }: BcoPairOptions = {}): Loss<PairInputs> {
  expectFinite('bcoPair', 'shift', shift);
  return pairLoss('bcoPair', { beta, divergence }, (chosen, rejected) => {
    const better = tf.softplus(tf.sub(shift, tf.mul(chosen, beta)));
    return tf.add<PerSequence>(better, tf.softplus(tf.sub(tf.mul(rejected, beta), shift)));
  });
}

export const bcoPairEntry: LossEntry<PairInputs> = {
  name: 'bcoPair',
  formula: 'softplus(δ − β r_w) + softplus(β r_l − δ), r = log π − log π_ref',
  citation: 'arXiv:2404.04656',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: drawPairs,
  evaluate: bcoPair(),
  variants: { shifted: bcoPair({ shift: 0.3 }) },
};
