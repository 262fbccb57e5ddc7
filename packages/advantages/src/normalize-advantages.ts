import { type Grid, OptionError } from '@tsrl/core';
import { expectEpsilon, mapWhere, NEGLIGIBLE_VARIANCE, type VarianceKind, weightedMoments } from './moments.js';
import type { AdvantageResult } from './result.js';

/** Inputs of {@link normalizeAdvantages}. */
export interface NormalizeInputs {
  /** [B, T], or [B, 2] for both actions of a binary decision. */
  readonly advantages: Grid;
  /** Of the same size, at least 0: a mask, counts, or the probability π_old(a|x) of each action. */
  readonly weights: Grid;
}

/** Options of {@link normalizeAdvantages}. */
export interface NormalizeOptions {
  /** `scale` (default) divides by the deviation, `whiten` subtracts the mean first, `none` leaves them. */
  readonly mode?: 'scale' | 'whiten' | 'none';
  /** `population` (default) takes any weights, `sample` (unbiased) counts. */
  readonly variance?: VarianceKind;
  /** Added to the variance under the root; at least 0. Default 1e-8. */
  readonly epsilon?: number;
}

/**
 * Brings advantages to unit scale over the whole batch:
 *
 *   A / √(σ² + ε)  or  (A − μ) / √(σ² + ε),   μ and σ² weighted; 0 where the weight is 0
 *
 * With both actions enumerated, weights π_old(a|x) and the exact baseline, the weighted mean of every example is 0,
 * so `scale` and `whiten` agree. When the variance is at most 1e-12 the advantages stay as they are (metric
 * `normalized` 0). `mode: 'scale'` with `variance: 'sample'` and a mask is the "graying" of Segment-SPO.
 *
 * Metrics: `mean` and `std` of the advantages as given, `normalized` 1 or 0.
 *
 * @throws OptionError for an option out of range, ShapeError when the sizes differ, DataError for a weight that does
 * not fit the kind of variance or an advantage that counts and is not finite
 */
export function normalizeAdvantages(
  { advantages, weights }: NormalizeInputs,
  { mode = 'scale', variance: kind = 'population', epsilon = 1e-8 }: NormalizeOptions = {},
): AdvantageResult<Grid> {
  if (mode !== 'scale' && mode !== 'whiten' && mode !== 'none') {
    throw new OptionError('normalizeAdvantages', 'mode', "'scale', 'whiten' or 'none'", mode);
  }
  expectEpsilon('normalizeAdvantages', epsilon);
  const { mean, variance } = weightedMoments('normalizeAdvantages', 'advantages', advantages, weights, kind);
  const normalized = mode !== 'none' && variance > NEGLIGIBLE_VARIANCE;
  const shift = normalized && mode === 'whiten' ? mean : 0;
  const scale = normalized ? 1 / Math.sqrt(variance + epsilon) : 1;
  return {
    advantages: mapWhere(advantages, weights, (a) => (a - shift) * scale),
    metrics: { mean, std: Math.sqrt(variance), normalized: normalized ? 1 : 0 },
  };
}
