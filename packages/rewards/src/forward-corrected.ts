import { OptionError, sigmoid } from '@tsrl/core';
import type { BinaryReward } from './confidence.js';
import { evidence, type NoiseRates, ratesOf } from './noise-rates.js';

/** Options of {@link forwardCorrected}: the noise rates, and what was believed before the label. */
export interface ForwardCorrectedOptions extends NoiseRates {
  /**
   * P(true label 1) before the label is seen: the share of class 1 among the true labels, in (0, 1), or `policy` for
   * π_old(1|x) of each example. Default 1/2.
   */
  readonly prior?: number | 'policy';
}

/**
 * The reward expected under what the observed label tells about the true one:
 *
 *   r_F(a, ỹ) = Σ_y P(y | ỹ) r(a, y),   P(y | ỹ) ∝ P(ỹ | y) q(y)
 *
 * Never larger than the largest |r|, and of less variance than `backwardCorrected`, but biased: a label that is
 * unlikely under the prior counts for less. With `prior: 'policy'` the policy partly judges itself: a label that
 * contradicts a confident policy is taken for noise, so start it from a policy that has learned something.
 *
 * For rewards that turn their sign with the label and a prior of 1/2 the bias is a factor, the same for all examples:
 * r_F = r_B (1 − e₀ − e₁)² / ((1 − e₀ + e₁) (1 − e₁ + e₀)), with r_B of `backwardCorrected`. Where advantages are
 * normalised the two are then one method.
 *
 * @throws OptionError unless both rates are in [0, 1) and sum to less than 1, or for a prior outside (0, 1)
 * @see Patrini et al. 2017, arXiv:1609.03683, for the noise model; the posterior is Bayes' rule (`cleanPosterior`)
 */
export function forwardCorrected(
  reward: BinaryReward,
  { prior = 0.5, ...rates }: ForwardCorrectedOptions,
): BinaryReward {
  const who = 'forwardCorrected';
  const told = evidence(...ratesOf(who, rates));
  if (prior !== 'policy' && !(prior > 0 && prior < 1)) {
    throw new OptionError(who, 'prior', 'in (0, 1), or "policy"', prior);
  }
  const fixed = prior === 'policy' ? undefined : Math.log(prior) - Math.log1p(-prior);
  return ({ action, label, logit }) => {
    const odds = (fixed ?? logit) + told[label];
    return sigmoid(odds) * reward({ action, label: 1, logit }) + sigmoid(-odds) * reward({ action, label: 0, logit });
  };
}
