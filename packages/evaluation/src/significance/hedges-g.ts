import { expectFiniteValues, meanOf, sampleVariance } from '../finite-values.js';
import { logBeta } from '../special/beta.js';

/**
 * Hedges' g, the difference of two means in pooled standard deviations, without the bias of Cohen's d:
 *
 *   g = J (x̄ − ȳ)/s,  s² = ((n_x − 1) s_x² + (n_y − 1) s_y²)/m,  m = n_x + n_y − 2
 *   J = Γ(m/2) / (√(m/2) Γ((m − 1)/2)), about 1 − 3/(4m − 1)
 *
 * `null` where it is undefined: fewer than 4 numbers in all, or two constant samples.
 *
 * @throws DataError for no number or one that is not finite
 * @see Hedges 1981, "Distribution theory for Glass's estimator of effect size and related estimators", equation 6e
 */
export function hedgesG(x: ArrayLike<number>, y: ArrayLike<number>): number | null {
  expectFiniteValues('hedgesG', 'x', x);
  expectFiniteValues('hedgesG', 'y', y);
  const m = x.length + y.length - 2;
  if (m < 2) return null;
  const squares = (values: ArrayLike<number>): number =>
    values.length === 1 ? 0 : (values.length - 1) * sampleVariance(values);
  const variance = (squares(x) + squares(y)) / m;
  if (variance === 0) return null;
  // Γ(m/2)/Γ((m − 1)/2) = Γ(½)/B((m − 1)/2, ½)
  const correction = Math.sqrt((2 * Math.PI) / m) / Math.exp(logBeta((m - 1) / 2, 0.5));
  return (correction * (meanOf(x) - meanOf(y))) / Math.sqrt(variance);
}
