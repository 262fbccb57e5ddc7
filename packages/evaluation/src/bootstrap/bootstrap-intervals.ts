import { expectFiniteValues, meanOf } from '../finite-values.js';
import { normalCdf, normalQuantile } from '../special/normal.js';
import type { Bootstrap } from './bootstrap.js';
import { expectLevel, type Interval, type LevelOptions } from './interval.js';
import { quantileOfSorted } from './quantile.js';

/**
 * The percentile interval: the (1 − level)/2 and (1 + level)/2 quantiles of the replicates, of type 7.
 *
 * Too narrow for few units: see `intervalCaution`.
 *
 * @throws OptionError for a level outside (0, 1), DataError for no replicate or one that is not finite
 * @see Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter 13
 */
export function percentileInterval({ replicates }: Bootstrap, { level = 0.95 }: LevelOptions = {}): Interval {
  expectLevel('percentileInterval', level);
  return between('percentileInterval', replicates, (1 - level) / 2, (1 + level) / 2);
}

/**
 * The basic, or reflected, interval: (2θ̂ − q_hi, 2θ̂ − q_lo) with the ends of the percentile interval. It may leave the
 * range of the statistic.
 *
 * @throws as `percentileInterval`
 * @see Davison and Hinkley 1997, "Bootstrap methods and their application", section 5.2
 */
export function basicInterval({ estimate, replicates }: Bootstrap, { level = 0.95 }: LevelOptions = {}): Interval {
  expectLevel('basicInterval', level);
  const { lower, upper } = between('basicInterval', replicates, (1 - level) / 2, (1 + level) / 2);
  return { lower: 2 * estimate - upper, upper: 2 * estimate - lower };
}

/**
 * The bias-corrected and accelerated interval: quantiles of the replicates at the levels
 *
 *   Φ(z₀ + (z₀ + z_α) / (1 − a (z₀ + z_α))),   z₀ = Φ⁻¹((#{θ* < θ̂} + ½ #{θ* = θ̂}) / B)
 *
 * which corrects for the bias and the skewness a of the statistic. All replicates equal: that point. `null` where it is
 * undefined: the replicates all lie on one side of the estimate, or the denominator is not positive.
 *
 * @param jackknifed the statistic without each unit, by `jackknife`
 * @throws as `percentileInterval`, DataError for fewer than 2 jackknife values or one that is not finite
 * @see Efron 1987, "Better bootstrap confidence intervals"
 */
export function bcaInterval(
  { estimate, replicates }: Bootstrap,
  jackknifed: ArrayLike<number>,
  { level = 0.95 }: LevelOptions = {},
): Interval | null {
  expectLevel('bcaInterval', level);
  expectFiniteValues('bcaInterval', 'replicates', replicates);
  expectFiniteValues('bcaInterval', 'jackknifed', jackknifed, 2);
  if (replicates.every((value) => value === replicates[0])) return between('bcaInterval', replicates, 0, 1);

  let below = 0;
  for (const value of replicates) below += value < estimate ? 1 : value === estimate ? 0.5 : 0;
  const bias = normalQuantile(below / replicates.length);
  if (!Number.isFinite(bias)) return null;
  const a = acceleration(jackknifed);
  const shifted = [(1 - level) / 2, (1 + level) / 2].map((p) => bias + normalQuantile(p));
  if (shifted.some((z) => 1 - a * z <= 0)) return null;
  const [low, high] = shifted.map((z) => normalCdf(bias + z / (1 - a * z))) as [number, number];
  return between('bcaInterval', replicates, low, high);
}

/** a = Σ(θ̄ − θ₍ᵢ₎)³ / (6 (Σ(θ̄ − θ₍ᵢ₎)²)^{3/2}) of the leave-one-out values; 0 when they are equal. */
export function acceleration(jackknifed: ArrayLike<number>): number {
  const mean = meanOf(jackknifed);
  const distances = Float64Array.from(jackknifed, (value) => mean - value);
  const scale = distances.reduce((largest, distance) => Math.max(largest, Math.abs(distance)), 0);
  if (scale === 0) return 0;
  let [squares, cubes] = [0, 0];
  for (const distance of distances) {
    squares += (distance / scale) ** 2; // of the largest: the cubes of tiny ones would be 0
    cubes += (distance / scale) ** 3;
  }
  return cubes / (6 * squares ** 1.5);
}

function between(who: string, replicates: Float64Array, low: number, high: number): Interval {
  expectFiniteValues(who, 'replicates', replicates);
  const sorted = replicates.toSorted();
  return { lower: quantileOfSorted(sorted, low), upper: quantileOfSorted(sorted, high) };
}
