import * as tf from '@tensorflow/tfjs-core';
import { expectSameShape } from './check.js';
import { fused } from './fused.js';
import { stopGradient } from './stop-gradient.js';
import { withGradient } from './with-gradient.js';

/** Over what a masked statistic runs. */
export interface AxisOptions {
  /** The dimension to reduce (negative counts from the end); everything when left out. */
  readonly axis?: number | undefined;
}

/** Everything at once: the result is a scalar. */
type Whole<Options> = Omit<Options, 'axis'> & { readonly axis?: undefined };

/** Options of `maskedVariance`. */
export interface MaskedVarianceOptions extends AxisOptions {
  /** `sample` divides by N − 1 (default), `population` by N; with weights only `population` has a meaning. */
  readonly kind?: 'sample' | 'population';
}

/** Options of `whiten`. */
export interface WhitenOptions extends MaskedVarianceOptions {
  /** Whether the result has mean 0 (default) or keeps the mean of x. */
  readonly shiftMean?: boolean;
  /** Added to the variance inside the square root; default 1e-8. */
  readonly epsilon?: number;
}

/**
 * x where the mask is positive, 0 elsewhere. Put it before a formula whose value at masked positions may be NaN or ∞:
 * 0 · NaN is NaN in the gradient too, so that masking the result is not enough. The mask, here and below, is a constant:
 * no gradient goes into it.
 *
 * @throws ShapeError unless x and mask have the same shape
 */
export function zeroMasked<T extends tf.Tensor>(x: T, mask: tf.Tensor): T {
  expectSameShape('zeroMasked', { x, mask });
  return tf.tidy(() => select(x, mask));
}

/**
 * S = Σ m x. The mask (here and below) is shaped like `x`, float32: 1 where a value counts and 0 where not, or
 * non-negative weights. The mask is a constant: no gradient goes into it. A value with mask 0 never matters, not even
 * when it is NaN.
 *
 * @throws ShapeError unless x and mask have the same shape
 */
export function maskedSum(x: tf.Tensor, mask: tf.Tensor, options?: Whole<AxisOptions>): tf.Scalar;
export function maskedSum(x: tf.Tensor, mask: tf.Tensor, options: AxisOptions): tf.Tensor;
export function maskedSum(x: tf.Tensor, mask: tf.Tensor, { axis }: AxisOptions = {}): tf.Tensor {
  expectSameShape('maskedSum', { x, mask });
  return tf.tidy(() => sum(x, mask, axis, false));
}

/**
 * Weighted mean S / N, with N = Σ m; 0 where N = 0. verl divides by N + 1e-8, TRL and OpenRLHF give NaN for N = 0.
 *
 * @throws ShapeError unless x and mask have the same shape
 */
export function maskedMean(x: tf.Tensor, mask: tf.Tensor, options?: Whole<AxisOptions>): tf.Scalar;
export function maskedMean(x: tf.Tensor, mask: tf.Tensor, options: AxisOptions): tf.Tensor;
export function maskedMean(x: tf.Tensor, mask: tf.Tensor, { axis }: AxisOptions = {}): tf.Tensor {
  expectSameShape('maskedMean', { x, mask });
  return tf.tidy(() => mean(x, mask, axis, false));
}

/**
 * Variance Σ m (x − μ)² / (N − 1), or / N for the population; 0 where that is not defined (N = 0, and N ≤ 1 for the
 * sample variance), where verl throws and TRL gives NaN.
 *
 * @throws ShapeError unless x and mask have the same shape
 */
export function maskedVariance(x: tf.Tensor, mask: tf.Tensor, options?: Whole<MaskedVarianceOptions>): tf.Scalar;
export function maskedVariance(x: tf.Tensor, mask: tf.Tensor, options: MaskedVarianceOptions): tf.Tensor;
export function maskedVariance(
  x: tf.Tensor,
  mask: tf.Tensor,
  { axis, kind = 'sample' }: MaskedVarianceOptions = {},
): tf.Tensor {
  expectSameShape('maskedVariance', { x, mask });
  return tf.tidy(() => variance(centered(x, mask, axis), mask, axis, kind, false));
}

/**
 * Standardizes the values that count; the others become 0:
 *
 *   m̂ (x − μ) / √(variance + ε),  plus m̂ μ unless `shiftMean`,  m̂ = 1 where m > 0
 *
 * Where the variance is rounding noise (at most 1e-12) the result is 0, or m̂ x unless `shiftMean`. verl and
 * Segment-SPO leave values at masked positions; OpenRLHF uses the population variance, clamped below.
 *
 * @throws ShapeError unless x and mask have the same shape
 */
export function whiten<T extends tf.Tensor>(
  x: T,
  mask: T,
  { axis, kind = 'sample', shiftMean = true, epsilon = 1e-8 }: WhitenOptions = {},
): T {
  expectSameShape('whiten', { x, mask });
  return tf.tidy(() => {
    const difference = centered(x, mask, axis);
    const spread = variance(difference, mask, axis, kind, true);
    const varies = tf.logicalNot(tf.lessEqual(stopGradient(spread), 1e-12)); // NaN varies: it must be seen
    const one = tf.onesLike(spread);
    const divisor = tf.where(varies, tf.sqrt(tf.add(tf.where(varies, spread, one), epsilon)), one);
    const flat = shiftMean ? tf.zerosLike(difference) : difference;
    const scaled = tf.where(tf.broadcastTo(varies, x.shape), tf.div(difference, divisor), flat);
    return (shiftMean ? scaled : select(tf.add(scaled, mean(x, mask, axis, true)), mask)) as T;
  });
}

/** Of gradients too: 0 · NaN would be NaN. */
function select<T extends tf.Tensor>(x: T, mask: tf.Tensor): T {
  return withGradient<T>(
    [x],
    () => {
      const [y] = fused('TsrlZeroMasked', { x, mask }) ?? [tf.where(tf.greater(mask, 0), x, tf.zerosLike(x))];
      return { value: y as T, saved: [mask] };
    },
    (dy, [mask]) => [select(dy, mask as tf.Tensor)],
  );
}

function sum(x: tf.Tensor, mask: tf.Tensor, axis: number | undefined, keepDims: boolean): tf.Tensor {
  return withGradient(
    [x],
    () => ({ value: sumAndCount(x, mask, axis, keepDims)[0], saved: [mask] }),
    (dy, [mask]) => [weighted(dy, mask as tf.Tensor, axis, keepDims)],
  );
}

function mean(x: tf.Tensor, mask: tf.Tensor, axis: number | undefined, keepDims: boolean): tf.Tensor {
  return withGradient(
    [x],
    () => {
      const [total, count] = sumAndCount(x, mask, axis, keepDims);
      return { value: tf.div(total, count), saved: [mask, count] };
    },
    (dy, [mask, count]) => [weighted(tf.div(dy, count as tf.Tensor), mask as tf.Tensor, axis, keepDims)],
  );
}

/** S = Σ m x, and N = Σ m, or 1 where that is not positive. */
function sumAndCount(
  x: tf.Tensor,
  mask: tf.Tensor,
  axis: number | undefined,
  keepDims: boolean,
): readonly [tf.Tensor, tf.Tensor] {
  const kept = axis === undefined ? 0 : x.rank - 1;
  const trailing = axis === undefined || (x.rank > 0 && (axis === -1 || axis === kept));
  const results = trailing ? fused('TsrlMaskedSums', { x, mask }, { kept }) : undefined;
  if (results) {
    const [total, count] = results as [tf.Tensor, tf.Tensor];
    if (!keepDims) return [total, count];
    const shape = x.shape.map((size, d) => (d < kept ? size : 1));
    return [tf.reshape(total, shape), tf.reshape(count, shape)];
  }
  const count = tf.sum(mask, axis, keepDims);
  const total = tf.sum(tf.mul(select(x, mask), mask), axis, keepDims);
  return [total, tf.where(tf.greater(count, 0), count, tf.onesLike(count))];
}

/** m dy with the dy of each sum at its numbers, which is 0 where the mask is, even of a dy that is NaN. */
function weighted(dy: tf.Tensor, mask: tf.Tensor, axis: number | undefined, keepDims: boolean): tf.Tensor {
  const spread = axis === undefined || keepDims ? dy : tf.expandDims(dy, axis);
  return select(tf.mul(spread, mask), mask);
}

/** x − μ where it counts, 0 elsewhere. The second pass removes what float32 left of the mean in the first. */
function centered(x: tf.Tensor, mask: tf.Tensor, axis: number | undefined): tf.Tensor {
  const once = select(tf.sub(x, mean(x, mask, axis, true)), mask);
  return select(tf.sub(once, mean(once, mask, axis, true)), mask);
}

function variance(
  difference: tf.Tensor,
  mask: tf.Tensor,
  axis: number | undefined,
  kind: 'sample' | 'population',
  keepDims: boolean,
): tf.Tensor {
  const freedom = tf.sub(tf.sum(stopGradient(mask), axis, keepDims), kind === 'sample' ? 1 : 0);
  const defined = tf.greater(freedom, 0);
  const divided = tf.div(
    sum(tf.square(difference), mask, axis, keepDims),
    tf.where(defined, freedom, tf.onesLike(freedom)),
  );
  return tf.where(defined, divided, tf.zerosLike(divided));
}
