import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import {
  type Aggregate,
  kAbs,
  type Loss,
  maskedMean,
  type PerToken,
  stopGradient,
  tokenMean,
  zeroMasked,
} from '@tsrl/tensor';
import { smallest, tokenCovariance } from './covariance.js';
import type { LossEntry } from './entry.js';
import { drawPolicyInputs } from './example.js';
import { expectNonNegative } from './option-checks.js';
import type { PolicyInputs } from './policy-inputs.js';
import { policyRatio } from './policy-ratio.js';

/** Options of `klCov`. */
export interface KlCovOptions {
  /** How many tokens are penalized, as a share of all; in [0, 1], default 2e-4. At least one is. */
  readonly fraction?: number;
  /** Weight of the penalty; finite and at least 0, default 1. */
  readonly beta?: number;
  /** How the losses of tokens become one; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/**
 * The unclipped surrogate, with a penalty for moving the few tokens that would cost the policy most of its entropy
 * (KL-Cov):
 *
 *   ρ = exp(clamp(logProbs − oldLogProbs, ±20))
 *   loss = −ρ A + beta |clamp(logProbs − oldLogProbs, ±20)| · [cov is one of the max(1, ⌊fraction · N⌋) largest]
 *
 * with cov_t = (A_t − mean A) (logProbs_t − mean logProbs), the means and N, the number of tokens, those of the batch
 * at hand: parts of a batch choose for themselves. Covariances that tie with the last are penalized too; where all
 * advantages are equal those are all tokens. The gradient of the penalty is ±beta, and 0 at ρ = 1.
 *
 * Differences: verl does not clamp, and takes any of those that tie. Its weight is 1 in code and 0.1 in its
 * configuration.
 *
 * Metrics over the mask: `penalizedFraction`, `absKl` (mean of |log ρ|), `approxKl` and `ratioMean` as in `ppoClip`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Cui et al. 2025, arXiv:2505.22617, KL-Cov
 */
export function klCov({ fraction = 2e-4, beta = 1, aggregate = tokenMean }: KlCovOptions = {}): Loss<PolicyInputs> {
  if (!(fraction >= 0 && fraction <= 1)) throw new OptionError('klCov', 'fraction', 'in [0, 1]', fraction);
  expectNonNegative('klCov', 'beta', beta);
  return (inputs, context = {}) =>
    tf.tidy(() => {
      const { now, advantage, ratio, metrics } = policyRatio('klCov', inputs);
      const { mask } = inputs;
      const distance = kAbs(now, zeroMasked(inputs.oldLogProbs, mask));
      const chosen = smallest(tf.neg(tokenCovariance(inputs)), tf.greater(mask, 0), mask, fraction);
      const penalty = tf.mul(tf.mul(distance, chosen), beta);
      return {
        loss: aggregate(tf.sub<PerToken>(penalty, tf.mul(ratio, advantage)), mask, context),
        metrics: {
          ...metrics,
          absKl: maskedMean(stopGradient(distance), mask),
          penalizedFraction: maskedMean(chosen, mask),
        },
      };
    });
}

export const klCovEntry: LossEntry<PolicyInputs> = {
  name: 'klCov',
  formula: '−ρ A + beta |log ρ| [(A − mean A)(log π − mean log π) among the largest]',
  citation: 'arXiv:2505.22617',
  per: 'token',
  differentiable: ['logProbs'],
  excused: {
    parts: 'which tokens are penalized depends on means over the batch',
    descent: 'which tokens are penalized depends on the policy, and jumps',
  },
  example: drawPolicyInputs,
  evaluate: klCov(),
  variants: { 'more tokens': klCov({ fraction: 0.3, beta: 0.1 }) },
  build: (aggregate) => klCov({ aggregate }),
};
