import { expectLevel, type Interval, type LevelOptions } from '../bootstrap/interval.js';
import { expectFiniteValues, meanOf, sampleVariance } from '../finite-values.js';
import { studentQuantile, studentTail } from '../special/student.js';

/** The outcome of {@link welchTest}, as plain JSON. */
export type WelchTest = Interval & {
  /** x̄ − ȳ; `lower` and `upper` are its interval. */
  readonly difference: number;
  readonly t: number;
  /** Degrees of freedom by Welch and Satterthwaite. */
  readonly df: number;
  /** Two-sided. */
  readonly pValue: number;
};

/**
 * Welch's t test of two independent samples whose variances may differ, **assuming that both are normal**:
 *
 *   t = (x̄ − ȳ)/√(v_x + v_y),  v = s²/n,  df = (v_x + v_y)²/(v_x²/(n_x − 1) + v_y²/(n_y − 1))
 *
 * `null` where it is undefined: a sample of one number, or both samples constant.
 *
 * @throws OptionError for a level outside (0, 1), DataError for no number or one that is not finite
 * @see Welch 1947, "The generalization of 'Student's' problem when several different population variances are involved"
 */
export function welchTest(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  { level = 0.95 }: LevelOptions = {},
): WelchTest | null {
  expectLevel('welchTest', level);
  expectFiniteValues('welchTest', 'x', x);
  expectFiniteValues('welchTest', 'y', y);
  if (x.length === 1 || y.length === 1) return null;
  const [vx, vy] = [sampleVariance(x) / x.length, sampleVariance(y) / y.length];
  if (vx + vy === 0) return null;
  const difference = meanOf(x) - meanOf(y);
  const error = Math.sqrt(vx + vy);
  const [shareX, shareY] = [vx / (vx + vy), vy / (vx + vy)];
  const df = 1 / (shareX ** 2 / (x.length - 1) + shareY ** 2 / (y.length - 1));
  const t = difference / error;
  const half = studentQuantile((1 + level) / 2, df) * error;
  const pValue = 2 * studentTail(Math.abs(t), df);
  return { difference, lower: difference - half, upper: difference + half, t, df, pValue };
}
