import { OptionError, StateError } from './errors.js';
import type { Json } from './json.js';

/**
 * Memory of an algorithm, as a pure reducer over JSON: the caller holds the state, passes what was observed and
 * stores what comes back. A checkpoint of a tracker is its state.
 */
export interface Tracker<State extends Json, Observation> {
  readonly initial: State;
  update(state: State, observation: Observation): State;
}

/** Count, mean and sum of squared deviations of a stream. */
export interface Moments {
  readonly [key: string]: number;
  readonly count: number;
  readonly mean: number;
  readonly m2: number;
}

/**
 * Running mean and variance of a stream that arrives in batches, by the pairwise update
 *
 *   d = mean_b − mean,  mean' = mean + d · n / (c + n),  m2' = m2 + m2_b + d² · c · n / (c + n)
 *
 * Any partition of the stream gives the same result; an empty batch changes nothing.
 *
 * @see Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance"
 */
export const runningMoments: Tracker<Moments, ArrayLike<number>> = {
  initial: { count: 0, mean: 0, m2: 0 },
  update({ count, mean, m2 }, batch) {
    const n = batch.length;
    if (n === 0) return { count, mean, m2 };
    let batchMean = 0;
    for (let i = 0; i < n; i++) batchMean += ((batch[i] as number) - batchMean) / (i + 1);
    let batchM2 = 0;
    for (let i = 0; i < n; i++) batchM2 += ((batch[i] as number) - batchMean) ** 2;
    const total = count + n;
    const d = batchMean - mean;
    const next = { count: total, mean: mean + (d * n) / total, m2: m2 + batchM2 + (d * d * count * n) / total };
    if (!Number.isFinite(next.m2)) throw new StateError('runningMoments', 'the batch holds a value that is not finite');
    return next;
  },
};

/** Population (`/ count`) or sample (`/ (count − 1)`) variance of moments; 0 where it is not defined. */
export function varianceOf({ count, m2 }: Moments, kind: 'population' | 'sample' = 'sample'): number {
  const freedom = kind === 'population' ? count : count - 1;
  return freedom > 0 ? m2 / freedom : 0;
}

/**
 * Exponential moving average e ← decay · e + (1 − decay) · x, which starts at the first value (`null` before it).
 * With decay 0 it is the last value.
 */
export function exponentialAverage(decay: number): Tracker<number | null, number> {
  if (!(decay >= 0 && decay < 1)) throw new OptionError('exponentialAverage', 'decay', 'in [0, 1)', decay);
  return { initial: null, update: (average, x) => (average === null ? x : decay * average + (1 - decay) * x) };
}

/** What {@link correctedAverage} remembers. */
export interface CorrectedAverage {
  readonly [key: string]: number;
  /** e, which starts at 0. */
  readonly sum: number;
  /** decay^t after t values. */
  readonly remaining: number;
}

/**
 * Exponential moving average that starts at 0, e ← decay · e + (1 − decay) · x, without the pull towards it:
 * `value` is e / (1 − decay^t) after t values, the mean in which each counts decay times as much as the next one.
 * Unlike `exponentialAverage`, whose first value counts as if all before had been like it. Before a value it is 0.
 *
 * @throws OptionError unless the decay is in [0, 1)
 * @see Kingma and Ba 2015, arXiv:1412.6980, section 3
 */
export function correctedAverage(
  decay: number,
): Tracker<CorrectedAverage, number> & { value(state: CorrectedAverage): number } {
  if (!(decay >= 0 && decay < 1)) throw new OptionError('correctedAverage', 'decay', 'in [0, 1)', decay);
  return {
    initial: { sum: 0, remaining: 1 },
    update: ({ sum, remaining }, x) => ({ sum: decay * sum + (1 - decay) * x, remaining: decay * remaining }),
    value: ({ sum, remaining }) => (remaining === 1 ? 0 : sum / (1 - remaining)),
  };
}
