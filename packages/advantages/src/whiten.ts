import type { Grid } from '@tsrl/core';
import { expectEpsilon, mapWhere, NEGLIGIBLE_VARIANCE, type VarianceKind, weightedMoments } from './moments.js';

/** Options of {@link whiten}. */
export interface WhitenOptions {
  /** Whether the mean becomes 0 (`true`, default) or stays (`false`, as for rewards). */
  readonly shiftMean?: boolean;
  /** Added to the variance under the root; at least 0. Default 1e-8. */
  readonly epsilon?: number;
  /** Default `sample`. */
  readonly variance?: VarianceKind;
}

/**
 * Shifts and scales what the mask selects to mean 0 and variance 1:
 *
 *   (x − μ) / √(σ² + ε)   (+ μ without shiftMean),   μ and σ² over all rows and tokens of the mask; 0 elsewhere
 *
 * With `variance: 'population'` the mask may hold any weights of at least 0, and μ and σ² are weighted by them; with
 * `sample` it holds 0 and 1, or counts. Entries of weight 0 are never read, not even a NaN. A variance of at most
 * 1e-12 counts as none: the result is 0, or x without shiftMean.
 *
 * Differences: verl and TRL PPO use the sample variance, as here; verl divides the mean by N + 1e-8, raises for
 * N ≤ 1, and does not set masked entries to 0. OpenRLHF and HALOs use the population variance; OpenRLHF floors it at
 * 1e-8 instead of adding ε.
 *
 * @param values [B, T]
 * @param mask   [B, T], 1 where a value counts
 * @throws OptionError for an option out of range, ShapeError when the sizes differ, DataError for a weight that does
 * not fit the kind of variance or a value that counts and is not finite
 */
export function whiten(
  values: Grid,
  mask: Grid,
  { shiftMean = true, epsilon = 1e-8, variance: kind = 'sample' }: WhitenOptions = {},
): Grid {
  expectEpsilon('whiten', epsilon);
  const { mean, variance } = weightedMoments('whiten', 'values', values, mask, kind);
  const kept = shiftMean ? 0 : mean;
  if (variance <= NEGLIGIBLE_VARIANCE) return mapWhere(values, mask, (x) => (shiftMean ? 0 : x));
  const scale = 1 / Math.sqrt(variance + epsilon);
  return mapWhere(values, mask, (x) => (x - mean) * scale + kept);
}
