import { DataError, type Rng } from '@tsrl/core';
import { expectWhole } from '../whole-number.js';

/** A statistic, and what it was on data drawn again. */
export interface Bootstrap {
  /** The statistic of the data as they are. */
  readonly estimate: number;
  /** The statistic of each resample, in the order drawn. */
  readonly replicates: Float64Array;
}

/** An option of everything that resamples. */
export interface ReplicatesOptions {
  /** How many resamples, a whole number of at least 1. Default 10,000. */
  readonly replicates?: number;
}

/**
 * The bootstrap: the statistic of n units, and of n units drawn from them with replacement, again and again. What a
 * unit is decides what the interval is about: a seed, a test item with all its samples, a pair of runs of two methods.
 *
 * The statistic gets the indices of the units, 0 … n − 1 first; the array is used again for the next resample.
 * With the same `rng` state the result is the same. `null` for a single unit, which says nothing about its variation.
 *
 * ```ts
 * const mean = (units: Int32Array) => units.reduce((sum, i) => sum + scores[i], 0) / units.length;
 * const interval = percentileInterval(bootstrap(scores.length, mean, createRng(1)));
 * ```
 *
 * @throws OptionError for n or `replicates` out of range, DataError when the statistic is not finite
 * @see Efron 1979, "Bootstrap methods: another look at the jackknife"
 */
export function bootstrap(
  n: number,
  statistic: (units: Int32Array) => number,
  rng: Rng,
  { replicates = 10_000 }: ReplicatesOptions = {},
): Bootstrap | null {
  expectWhole('bootstrap', 'n', n, 1);
  expectWhole('bootstrap', 'replicates', replicates, 1);
  if (n === 1) return null;
  const units = Int32Array.from({ length: n }, (_, i) => i);
  const estimate = expectFiniteStatistic('bootstrap', statistic(units));
  return replicate('bootstrap', estimate, replicates, () => {
    for (let i = 0; i < n; i++) units[i] = drawIndex(n, rng);
    return statistic(units);
  });
}

/** Collects replicates, each of which must be finite. */
export function replicate(who: string, estimate: number, replicates: number, draw: () => number): Bootstrap {
  const values = new Float64Array(replicates);
  for (let b = 0; b < replicates; b++) values[b] = expectFiniteStatistic(who, draw(), b);
  return { estimate, replicates: values };
}

/** Returns the statistic, which must be finite; of which resample it is, where it is one. */
export function expectFiniteStatistic(who: string, value: number, resample?: number): number {
  if (Number.isFinite(value)) return value;
  const where = resample === undefined ? 'the data' : `resample ${resample}`;
  throw new DataError(who, `the statistic must be finite; got ${value} on ${where}`);
}

/** One of 0 … n − 1. */
export const drawIndex = (n: number, rng: Rng): number => Math.floor(rng.uniform() * n);
