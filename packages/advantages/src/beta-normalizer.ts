import { DataError, type Moments, OptionError, varianceOf } from '@tsrl/core';
import { NEGLIGIBLE_VARIANCE, type VarianceKind } from './moments.js';

/** Parameters of the Beta density by which `bnpo` divides. */
export interface BetaNormalizer {
  readonly alpha: number;
  readonly beta: number;
}

/** Options of {@link betaNormalizer}. */
export interface BetaNormalizerOptions {
  /** Variance of the success rates: `sample` (unbiased, default) or `population`. */
  readonly variance?: VarianceKind;
  /** The largest α + β − 2, at least 0; default 200. Without it, rates that hardly differ make the density a spike. */
  readonly maxConcentration?: number;
}

/** The density 1: advantages are centered and not scaled. */
const uniform: BetaNormalizer = { alpha: 1, beta: 1 };

/**
 * The normalizer of BNPO from the moments μ, v of success rates over prompts: their distribution is taken for a
 * Beta(a, b), fitted by moments, and of all Beta densities the one is chosen that makes the variance of the gradient
 * least:
 *
 *   c = μ (1 − μ) / v − 1,  a = c μ,  b = c (1 − μ),  α = 1 + a / 3,  β = 1 + b / 3
 *
 * α = β = 1, the density that scales nothing, where there is nothing to fit: fewer than two rates, a variance of at
 * most 1e-12, or one larger than a Beta distribution can have (c ≤ 0; possible with the sample variance).
 *
 * Differences: the reference has no bound on α + β and divides by v = 0 when all rates are equal (infinite or NaN
 * parameters, or an error); for c ≤ 0 and for one prompt it has α = β = 1, too.
 *
 * @param moments of success rates in [0, 1], each prompt once: `runningMoments.update(runningMoments.initial, rates)`
 *   for one batch, `successMoments` for several
 * @throws OptionError for an option out of range, DataError unless the mean is in [0, 1]
 * @see Xiao, Zhang and Cao 2025, arXiv:2506.02864
 */
export function betaNormalizer(
  moments: Moments,
  { variance: kind = 'sample', maxConcentration = 200 }: BetaNormalizerOptions = {},
): BetaNormalizer {
  if (kind !== 'population' && kind !== 'sample') {
    throw new OptionError('betaNormalizer', 'variance', "'population' or 'sample'", kind);
  }
  if (!(maxConcentration >= 0)) {
    throw new OptionError('betaNormalizer', 'maxConcentration', 'at least 0', maxConcentration);
  }
  const { mean } = moments;
  // Merging batches whose rates are all 0 or all 1 may leave the mean outside by rounding; then c ≤ 0.
  if (!(mean >= -1e-9 && mean <= 1 + 1e-9)) {
    throw new DataError('betaNormalizer', `the mean of the success rates must be in [0, 1]; got ${mean}`);
  }
  const variance = varianceOf(moments, kind);
  if (variance <= NEGLIGIBLE_VARIANCE) return uniform;
  const concentration = Math.min(((mean * (1 - mean)) / variance - 1) / 3, maxConcentration);
  if (concentration <= 0) return uniform;
  return { alpha: 1 + concentration * mean, beta: 1 + concentration * (1 - mean) };
}
