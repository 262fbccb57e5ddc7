import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { type Aggregate, type Loss, type PerToken, stopGradient, tokenMean } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawPolicyInputs } from './example.js';
import type { PolicyInputs } from './policy-inputs.js';
import { fractionOf, policyRatio } from './policy-ratio.js';

import { withTokenTerms } from './token-terms.js';

/** Options of `cispo`. */
export interface CispoOptions {
  /** The weight of a token is at least this, default 0: no lower bound. */
  readonly minRatio?: number;
  /** The weight of a token is at most this, default 5. */
  readonly maxRatio?: number;
  /** How the losses of tokens become one; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/**
 * REINFORCE whose tokens are weighted by clipped importance ratios (CISPO):
 *
 *   loss = −sg(clip(ρ, minRatio, maxRatio)) · A · logProbs,  ρ = exp(clamp(logProbs − oldLogProbs, ±20))
 *
 * Its gradient in logProbs is −clip(ρ) A: unlike with `ppoClip`, no token ever loses its gradient. With `maxRatio` C
 * and no lower bound it is REINFORCE with truncated importance sampling per token, too.
 *
 * Differences: the bounds are absolute, as TRL's cap `epsilon_high` (recommended 5) and ScaleRL's; verl's
 * `clip_ratio_low` and `clip_ratio_high` are `minRatio: 1 − low` (not below 0) and `maxRatio: 1 + high`. TRL does
 * not clamp the log-ratio. The paper tunes the upper bound only.
 *
 * Metrics, over the mask of this batch: `clipFraction` (tokens whose ratio is outside the bounds), `approxKl` and
 * `ratioMean` as those of `ppoClip`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see MiniMax 2025, arXiv:2506.13585, equation 4; Khatri et al. 2025 (ScaleRL), arXiv:2510.13786
 */
export function cispo({ minRatio = 0, maxRatio = 5, aggregate = tokenMean }: CispoOptions = {}): Loss<PolicyInputs> {
  if (!(minRatio >= 0)) throw new OptionError('cispo', 'minRatio', 'at least 0', minRatio);
  if (!(maxRatio > 0 && maxRatio >= minRatio)) {
    throw new OptionError('cispo', 'maxRatio', `positive and at least minRatio (${minRatio})`, maxRatio);
  }
  const loss: Loss<PolicyInputs> = (inputs, context = {}) =>
    tf.tidy(() => {
      const { mask } = inputs;
      const { now, advantage, ratio, metrics } = policyRatio('cispo', inputs);
      const constant = stopGradient(ratio);
      const weight = tf.minimum<PerToken>(tf.maximum<PerToken>(constant, minRatio), maxRatio);
      const perToken = tf.neg(tf.mul(tf.mul(weight, advantage), now)) as PerToken;
      return {
        loss: aggregate(perToken, mask, context),
        metrics: { clipFraction: fractionOf(tf.notEqual(constant, weight), mask), ...metrics },
      };
    });
  const slope = (logProb: number, values: Float32Array, at: number): number => {
    const ratio = Math.exp(Math.min(Math.max(logProb - (values[at] as number), -20), 20));
    return -Math.min(Math.max(ratio, minRatio), maxRatio) * (values[at + 1] as number);
  };
  const inputs = ['oldLogProbs', 'advantages'];
  return withTokenTerms(loss, () => [{ of: 'logProbs', inputs, slope, aggregate }]);
}

export const cispoEntry: LossEntry<PolicyInputs> = {
  name: 'cispo',
  formula: '−sg(clip(ρ, minRatio, maxRatio)) A log π, ρ = π / π_old',
  citation: 'arXiv:2506.13585',
  per: 'token',
  differentiable: ['logProbs'],
  excused: { descent: 'the weight depends on the policy, and has no gradient on purpose' },
  example: drawPolicyInputs,
  evaluate: cispo(),
  variants: { 'clipped on both sides': cispo({ minRatio: 0.8, maxRatio: 1.2 }) },
  build: (aggregate) => cispo({ aggregate }),
};
