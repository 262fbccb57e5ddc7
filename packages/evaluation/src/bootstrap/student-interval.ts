import { expectFiniteValues, meanOf, sampleVariance } from '../finite-values.js';
import { studentQuantile } from '../special/student.js';
import { expectLevel, type Interval, type LevelOptions } from './interval.js';

/**
 * Student's interval of a mean, x̄ ± t_{n−1} s/√n: exact for normal data of any n, so the one to show beside a
 * bootstrap of few seeds. For a comparison give it the paired differences. `null` for a single number.
 *
 * @throws OptionError for a level outside (0, 1), DataError for no number or one that is not finite
 * @see Student 1908, "The probable error of a mean"
 */
export function studentInterval(values: ArrayLike<number>, { level = 0.95 }: LevelOptions = {}): Interval | null {
  expectLevel('studentInterval', level);
  expectFiniteValues('studentInterval', 'values', values);
  const n = values.length;
  if (n === 1) return null;
  const mean = meanOf(values);
  const half = studentQuantile((1 + level) / 2, n - 1) * Math.sqrt(sampleVariance(values) / n);
  return { lower: mean - half, upper: mean + half };
}
