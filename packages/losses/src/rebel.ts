import * as tf from '@tensorflow/tfjs-core';
import { expectSameShape, type Loss, type PerSequence } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawSequences } from './example.js';
import { expectPositive } from './option-checks.js';
import { drawPairs, expectPairs, type PairInputs, pairLoss } from './pair.js';

/** Options of `rebel`. */
export interface RebelOptions {
  /** β > 0, one over the paper's η; default 1. */
  readonly beta?: number;
}

/** Inputs of `rebel`. The reference is the policy of the iteration before; which of the two is better does not matter. */
export interface RebelInputs extends PairInputs {
  /** Reward of the response called chosen, [B], constant. */
  readonly chosenRewards: PerSequence;
  /** The same of the other one, [B], constant. */
  readonly rejectedRewards: PerSequence;
}

/**
 * Regression to relative rewards: the implicit rewards of two responses shall differ as their rewards do.
 *
 *   loss = mean over pairs of (β (r_w − r_l) − (R_w − R_l))²,  r = log π − log π_ref
 *
 * It is 0 at π ∝ π_ref exp(R / β), the policy that maximizes the reward under a divergence from the reference. Gradient
 * in r_w: 2 β (β (r_w − r_l) − (R_w − R_l)).
 *
 * Metrics: those of `dpo`, with implicit rewards.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Gao et al. 2024, arXiv:2404.16767
 */
export function rebel({ beta = 1 }: RebelOptions = {}): Loss<RebelInputs> {
  expectPositive('rebel', 'beta', beta);
  return ({ chosenRewards, rejectedRewards, ...pairs }, context) => {
    const { chosenLogProbs } = pairs;
    expectPairs('rebel', pairs);
    expectSameShape('rebel', { chosenLogProbs, chosenRewards, rejectedRewards });
    return tf.tidy(() => {
      const gap = tf.sub(chosenRewards, rejectedRewards);
      const regression = pairLoss('rebel', { beta }, (chosen, rejected) =>
        tf.square<PerSequence>(tf.sub(tf.mul(tf.sub(chosen, rejected), beta), gap)),
      );
      return { ...regression(pairs, context) };
    });
  };
}

export const rebelEntry: LossEntry<RebelInputs> = {
  name: 'rebel',
  formula: '(β (r_w − r_l) − (R_w − R_l))², r = log π − log π_ref',
  citation: 'arXiv:2404.16767',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: (shape, rng) => ({
    ...drawPairs(shape, rng),
    chosenRewards: drawSequences(shape, () => rng.normal()),
    rejectedRewards: drawSequences(shape, () => rng.normal()),
  }),
  evaluate: rebel(),
};
