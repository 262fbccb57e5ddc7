import * as tf from '@tensorflow/tfjs-core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import type { Divergence } from './divergence.js';
import type { LossEntry } from './entry.js';
import { drawPairs, type PairInputs, pairLoss } from './pair.js';

/** Options of `nca`. */
export interface NcaOptions {
  /** β > 0, default 0.01. */
  readonly beta?: number;
  /** What keeps the policy near its reference; default `reverseKl`. */
  readonly divergence?: Divergence;
}

/**
 * Noise-contrastive alignment for pairs: rewards of their own, not only differences, so that the likelihood of the
 * chosen response does not fall together with that of the rejected one.
 *
 *   loss = mean over pairs of softplus(−β r_w) + ½ softplus(β r_w) + ½ softplus(β r_l),  r = log π − log π_ref
 *
 * In r_w it falls up to β r_w = log 2 and rises after that: there is a reward that is enough.
 *
 * Differences: none to TRL's `nca_pair`. Metrics: those of `dpo`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Chen et al. 2024, arXiv:2402.05369
 */
export function nca({ beta = 0.01, divergence }: NcaOptions = {}): Loss<PairInputs> {
  return pairLoss('nca', { beta, divergence }, (chosen, rejected) => {
    const [better, worse] = [tf.mul(chosen, beta), tf.mul(rejected, beta)];
    const noise = tf.mul(tf.add(tf.softplus(better), tf.softplus(worse)), 0.5);
    return tf.add<PerSequence>(tf.softplus(tf.neg(better)), noise);
  });
}

export const ncaEntry: LossEntry<PairInputs> = {
  name: 'nca',
  formula: 'softplus(−β r_w) + ½ softplus(β r_w) + ½ softplus(β r_l)',
  citation: 'arXiv:2402.05369',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: drawPairs,
  evaluate: nca(),
};
