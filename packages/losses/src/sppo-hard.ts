import * as tf from '@tensorflow/tfjs-core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import type { Divergence } from './divergence.js';
import type { LossEntry } from './entry.js';
import { drawPairs, type PairInputs, pairLoss } from './pair.js';

/** Options of `sppoHard`. */
export interface SppoHardOptions {
  /** β > 0, one over the paper's η; default 0.001. */
  readonly beta?: number;
  /** What keeps the policy near its reference; default `reverseKl`. */
  readonly divergence?: Divergence;
}

/**
 * Self-play preference optimization with hard labels: the chosen response wins with probability 1, the rejected one
 * with 0, against an average of ½.
 *
 *   loss = mean over pairs of (r_w − 1 / (2 β))² + (r_l + 1 / (2 β))²,  r = log π − log π_ref
 *
 * Its minimum is at r_w = 1 / (2 β) = −r_l. The reference of an iteration is the policy of the one before.
 *
 * Differences: none to TRL's `sppo_hard`; the paper's own loss is over single responses with estimated probabilities of
 * winning.
 *
 * Metrics: those of `dpo`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Wu et al. 2024, arXiv:2405.00675
 */
export function sppoHard({ beta = 0.001, divergence }: SppoHardOptions = {}): Loss<PairInputs> {
  const half = 1 / (2 * beta);
  return pairLoss('sppoHard', { beta, divergence }, (chosen, rejected) =>
    tf.add<PerSequence>(tf.square(tf.sub(chosen, half)), tf.square(tf.add(rejected, half))),
  );
}

export const sppoHardEntry: LossEntry<PairInputs> = {
  name: 'sppoHard',
  formula: '(r_w − 1 / (2 β))² + (r_l + 1 / (2 β))², r = log π − log π_ref',
  citation: 'arXiv:2405.00675',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: drawPairs,
  evaluate: sppoHard(),
};
