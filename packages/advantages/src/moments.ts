import { DataError, expectSameGrid, type Grid, OptionError } from '@tsrl/core';
import { expectFiniteWhere, place } from './masked-input.js';

/** `population` divides by N, `sample` by N − 1 (unbiased); with N = 1 the sample variance is 0. */
export type VarianceKind = 'population' | 'sample';

/** Below this a variance is rounding noise, and dividing by its root would blow the noise up. */
export const NEGLIGIBLE_VARIANCE = 1e-12;

/**
 * Weighted mean and variance of the entries whose weight is not 0, in two passes; 0 and 0 when there is none. Of equal
 * entries the mean is that entry and the variance 0, both exactly: deviations are taken from the first one that counts.
 */
export function weightedMoments(
  who: string,
  name: string,
  values: Grid,
  weights: Grid,
  kind: VarianceKind,
): { readonly mean: number; readonly variance: number } {
  if (kind !== 'population' && kind !== 'sample') {
    throw new OptionError(who, 'variance', "'population' or 'sample'", kind);
  }
  expectSameGrid(who, { [name]: values, weights });
  const fits = kind === 'sample' ? Number.isInteger : Number.isFinite;
  const unfit = weights.data.findIndex((weight) => !(weight >= 0 && fits(weight)));
  if (unfit >= 0) {
    const expected = kind === 'sample' ? 'a count (0, 1, 2, ...) for the sample variance' : 'finite and at least 0';
    throw new DataError(who, `weight${place(weights, unfit)} must be ${expected}; got ${weights.data[unfit]}`);
  }
  expectFiniteWhere(who, name, values, weights);

  const origin = values.data[weights.data.findIndex((weight) => weight !== 0)] ?? 0;
  let total = 0;
  let sum = 0;
  for (let i = 0; i < weights.data.length; i++) {
    const weight = weights.data[i] as number;
    if (weight === 0) continue; // 0 · NaN is NaN: what does not count is left out, not multiplied away
    total += weight;
    sum += weight * ((values.data[i] as number) - origin);
  }
  if (total === 0) return { mean: 0, variance: 0 };
  const mean = origin + sum / total;
  let squares = 0;
  for (let i = 0; i < weights.data.length; i++) {
    const weight = weights.data[i] as number;
    if (weight !== 0) squares += weight * ((values.data[i] as number) - mean) ** 2;
  }
  const freedom = kind === 'sample' ? total - 1 : total;
  return { mean, variance: freedom > 0 ? squares / freedom : 0 };
}

/** f of every entry whose weight is not 0, and 0 elsewhere. */
export const mapWhere = (values: Grid, weights: Grid, f: (value: number) => number): Grid => ({
  ...values,
  data: values.data.map((value, i) => (weights.data[i] === 0 ? 0 : f(value))),
});

/** Throws an OptionError unless epsilon is finite and at least 0. */
export function expectEpsilon(who: string, epsilon: number): void {
  if (!(epsilon >= 0 && epsilon < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'epsilon', 'a finite number of at least 0', epsilon);
  }
}
