import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import {
  type Aggregate,
  clampTo,
  k3,
  type Loss,
  maskedMean,
  type PerToken,
  sequenceMean,
  stopGradient,
  zeroMasked,
} from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawPolicyInputs } from './example.js';
import { expectPolicyInputs, type PolicyInputs } from './policy-inputs.js';
import { fractionOf } from './policy-ratio.js';
import { overTokens } from './sequence-ratio.js';

/** Options of `gmpo`. */
export interface GmpoOptions {
  /** Log-ratios of tokens with A < 0 count no lower than −this. At least 0, default 0.4. */
  readonly clipLow?: number;
  /** Log-ratios of tokens with A > 0 count no higher than this. At least 0, default `clipLow`. */
  readonly clipHigh?: number;
  /** How the losses of tokens become one; default `sequenceMean`. Any other weighs a response by its length. */
  readonly aggregate?: Aggregate;
}

/**
 * Geometric-mean policy optimization: one ratio per response, as in `gspo`, but clipped token by token, on one side
 * only, and in log space:
 *
 *   d_it = logProbs_it − oldLogProbs_it
 *   d'_it = min(d_it, clipHigh) where A_it > 0,  max(d_it, −clipLow) where A_it < 0,  0 where A_it = 0
 *   loss_i = −Ā_i exp(clamp(Σ_t m_it d'_it / n_i, ±20)),  Ā_i = Σ_t m_it A_it / n_i,  mean over the responses
 *
 * The loss of a response stands at each of its tokens, so that any aggregation applies. The gradient at a token is
 * loss_i / n_i, and 0 where the token was clipped: one outlier no longer stops its whole response, nor drags it along.
 * For responses of one token it is `ppoClip` with the range [exp(−clipLow), exp(clipHigh)]. A row without a token is
 * not counted.
 *
 * Differences: the paper, verl (`geo_mean`) and TRL do not clamp the mean log-ratio. A row without a token has the
 * loss 0 in verl and −A in TRL, and counts as a response in both. TRL has one advantage per response.
 *
 * Metrics, over the mask: `clipHighFraction` and `clipLowFraction` (tokens clipped from above, from below),
 * `approxKl` (k3 of the old policy to the new one), `ratioMean` (exp of the mean of d').
 *
 * @throws OptionError when built, ShapeError when called
 * @see Zhao et al. 2025, arXiv:2507.20673
 */
export function gmpo({
  clipLow = 0.4,
  clipHigh = clipLow,
  aggregate = sequenceMean,
}: GmpoOptions = {}): Loss<PolicyInputs> {
  if (!(clipLow >= 0)) throw new OptionError('gmpo', 'clipLow', 'at least 0', clipLow);
  if (!(clipHigh >= 0)) throw new OptionError('gmpo', 'clipHigh', 'at least 0', clipHigh);

  return (inputs, context = {}) => {
    expectPolicyInputs('gmpo', inputs);
    return tf.tidy(() => {
      const { mask } = inputs;
      const now = zeroMasked(inputs.logProbs, mask);
      const old = zeroMasked(inputs.oldLogProbs, mask);
      const advantage = zeroMasked(inputs.advantages, mask);
      const difference = tf.sub<PerToken>(now, old);
      const [up, down] = [tf.greater(advantage, 0), tf.less(advantage, 0)];

      const fromAbove = tf.where(up, tf.minimum<PerToken>(difference, clipHigh), tf.zerosLike(difference));
      const clipped = tf.where(down, tf.maximum<PerToken>(difference, -clipLow), fromAbove);
      const ratio = tf.exp(clampTo(maskedMean(clipped, mask, { axis: 1 }), 20));
      const perSequence = tf.neg(tf.mul(maskedMean(advantage, mask, { axis: 1 }), ratio));
      const constant = stopGradient(difference);
      return {
        loss: aggregate(zeroMasked(overTokens(perSequence, mask), mask), mask, context),
        metrics: {
          clipHighFraction: fractionOf(tf.logicalAnd(up, tf.greater(constant, clipHigh)), mask),
          clipLowFraction: fractionOf(tf.logicalAnd(down, tf.less(constant, -clipLow)), mask),
          approxKl: maskedMean(k3(old, stopGradient(now)), mask),
          ratioMean: sequenceMean(overTokens(stopGradient(ratio), mask), mask),
        },
      };
    });
  };
}

export const gmpoEntry: LossEntry<PolicyInputs> = {
  name: 'gmpo',
  formula: '−A exp(mean over tokens of clip(log π / π_old)), clipped on the side that A rewards',
  citation: 'arXiv:2507.20673',
  per: 'token',
  differentiable: ['logProbs'],
  example: drawPolicyInputs,
  evaluate: gmpo(),
  build: (aggregate) => gmpo({ clipLow: 0.2, clipHigh: 0.3, aggregate }),
};
