import { OptionError } from '@tsrl/core';
import type { BinaryReward } from './confidence.js';
import { type NoiseRates, ratesOf } from './noise-rates.js';

/** Options of {@link backwardCorrected}: the noise rates, and a bound. */
export interface BackwardCorrectedOptions extends NoiseRates {
  /** The largest absolute corrected reward, positive. Default `Infinity`: unbiased. */
  readonly clip?: number;
}

/**
 * A reward computed from noisy labels that equals, in the mean over the noise, the reward of the true ones:
 *
 *   r_B(a, ỹ) = ((1 − e[1 − ỹ]) r(a, ỹ) − e[ỹ] r(a, 1 − ỹ)) / (1 − e₀ − e₁),   E[r_B(a, ỹ) | y] = r(a, y)
 *
 * ỹ is the observed label, e₀ = P(ỹ = 1 | y = 0), e₁ = P(ỹ = 0 | y = 1). The price is variance, which grows like
 * (1 − e₀ − e₁)⁻²; `clip` bounds it, and brings a bias where it binds.
 *
 * Where the reward turns its sign with the label (every antisymmetric member of the confidence family, with equal class
 * weights) this is a weight per observed class, r_B(a, ỹ) = w[ỹ] r(a, ỹ) with
 *
 *   w[1] = (1 − e₀ + e₁) / (1 − e₀ − e₁),   w[0] = (1 − e₁ + e₀) / (1 − e₀ − e₁)
 *
 * So with e₀ = e₁ it is a mere factor, which the normalisation of advantages takes back: symmetric noise only shrinks the
 * gap. It matters for one-sided noise, class weights and costs.
 *
 * @throws OptionError unless both rates are in [0, 1) and sum to less than 1, or for a clip that is not positive
 * @see Natarajan et al. 2013, "Learning with noisy labels", lemma 1; for rewards Wang, Liu and Li 2020,
 *   arXiv:1810.01032, theorem 1
 */
export function backwardCorrected(
  reward: BinaryReward,
  { clip = Number.POSITIVE_INFINITY, ...rates }: BackwardCorrectedOptions,
): BinaryReward {
  const who = 'backwardCorrected';
  const e = ratesOf(who, rates);
  if (!(clip > 0)) throw new OptionError(who, 'clip', 'positive (Infinity for none)', clip);
  const total = 1 - e[0] - e[1];
  return ({ action, label, logit }) => {
    const other = label === 1 ? 0 : 1;
    const seen = reward({ action, label, logit });
    const unseen = reward({ action, label: other, logit });
    const corrected = ((1 - e[other]) * seen - e[label] * unseen) / total;
    return Math.min(Math.max(corrected, -clip), clip);
  };
}
