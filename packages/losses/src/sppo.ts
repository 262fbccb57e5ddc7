import * as tf from '@tensorflow/tfjs-core';
import { expectShape, type Loss, maskedSum, type PerSequence, stopGradient } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawMask, drawSequences, drawTokens } from './example.js';
import { expectPositive } from './option-checks.js';
import type { RatioInputs } from './policy-inputs.js';
import { expectRatioInputs, meanOfRows, ofRows } from './sequence-ratio.js';

/** Options of `sppo`. */
export interface SppoOptions {
  /** η: how far a response moves for its win rate; positive and finite, default 1. */
  readonly eta?: number;
}

/** Inputs of `sppo`. */
export interface SppoInputs extends RatioInputs {
  /** P(the response beats one of the old policy) − 1/2, [B], constant. */
  readonly advantages: PerSequence;
}

/**
 * Self-play preference optimization: the log-ratio of a response is to be proportional to how much more often than not
 * it wins,
 *
 *   loss_i = (Σ_t m_it (logProbs_it − oldLogProbs_it) − eta A_i)²,  mean over the responses
 *
 * which is a step of multiplicative weights towards the Nash equilibrium. Gradient: 2 (…) at every token of the
 * response. Rows without a token have the loss 0 and are not counted. For pairs with hard labels see `sppoHard`.
 *
 * Differences: none to verl's recipe.
 *
 * Metric: `residual`, the mean over the responses of |…|.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Wu et al. 2024, arXiv:2405.00675
 */
export function sppo({ eta = 1 }: SppoOptions = {}): Loss<SppoInputs> {
  expectPositive('sppo', 'eta', eta);
  return (inputs, context = {}) => {
    expectRatioInputs('sppo', inputs);
    const { logProbs, oldLogProbs, advantages, mask } = inputs;
    expectShape('sppo', 'advantages', advantages, [logProbs.shape[0]]);
    return tf.tidy(() => {
      const change = maskedSum(tf.sub(logProbs, oldLogProbs), mask, { axis: 1 });
      const residual = tf.sub<PerSequence>(change, tf.mul(ofRows(advantages, mask), eta));
      return {
        loss: meanOfRows(tf.square(residual), mask, context),
        metrics: { residual: meanOfRows(tf.abs(stopGradient(residual)), mask, {}) },
      };
    });
  };
}

export const sppoEntry: LossEntry<SppoInputs> = {
  name: 'sppo',
  formula: '(log π / π_old of the response − eta (P(it wins) − 1/2))²',
  citation: 'arXiv:2405.00675',
  per: 'token',
  differentiable: ['logProbs'],
  example: (shape, rng) => ({
    logProbs: drawTokens(shape, drawLogProb(rng)),
    oldLogProbs: drawTokens(shape, drawLogProb(rng)),
    mask: drawMask(shape, rng),
    advantages: drawSequences(shape, () => rng.uniform() - 0.5),
  }),
  evaluate: sppo(),
};
