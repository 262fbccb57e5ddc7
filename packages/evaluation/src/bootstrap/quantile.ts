import { OptionError } from '@tsrl/core';
import { expectFiniteValues } from '../finite-values.js';

/**
 * The q-quantile of numbers in any order, by linear interpolation at position (n − 1) q of the sorted ones: type 7 of
 * Hyndman and Fan, the default of R and NumPy.
 *
 * @throws OptionError for q outside [0, 1], DataError for no number or one that is not finite
 * @see Hyndman and Fan 1996, "Sample quantiles in statistical packages"
 */
export function quantile(values: ArrayLike<number>, q: number): number {
  if (!(q >= 0 && q <= 1)) throw new OptionError('quantile', 'q', 'in [0, 1]', q);
  expectFiniteValues('quantile', 'values', values);
  return quantileOfSorted(Float64Array.from(values).sort(), q);
}

/** The same of numbers that are sorted, at least one. */
export function quantileOfSorted(sorted: Float64Array, q: number): number {
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  const low = sorted[below] as number;
  const high = sorted[Math.ceil(position)] as number;
  return low + (position - below) * (high - low);
}
