import * as tf from '@tensorflow/tfjs-core';
import { expectSameShape } from './check.js';
import type { AxisOptions } from './masked.js';
import { withGradient } from './with-gradient.js';

/** Everything at once: the result is a scalar. */
interface Whole {
  readonly axis?: undefined;
}

/**
 * Largest of the values whose mask (shaped like `x`, float32) is positive: max {x_i : m_i > 0}; 0 where there is none.
 * A value with mask 0 never matters, not even when it is NaN; NaN at mask 1 gives NaN. The gradient is shared evenly by
 * the entries that are largest.
 *
 * TRL's `nanmax` takes the entries that are not NaN for those that count, and gives NaN where there is none: here that
 * is the mask `1 − isNaN(x)`.
 *
 * @throws ShapeError unless x and mask have the same shape
 */
export function maskedMax(x: tf.Tensor, mask: tf.Tensor, options?: Whole): tf.Scalar;
export function maskedMax(x: tf.Tensor, mask: tf.Tensor, options: AxisOptions): tf.Tensor;
export function maskedMax(x: tf.Tensor, mask: tf.Tensor, { axis }: AxisOptions = {}): tf.Tensor {
  expectSameShape('maskedMax', { x, mask });
  return tf.tidy(() => largest(x, mask, axis));
}

/**
 * Smallest of the values whose mask is positive: min {x_i : m_i > 0}, in all else like `maskedMax`.
 *
 * @throws ShapeError unless x and mask have the same shape
 */
export function maskedMin(x: tf.Tensor, mask: tf.Tensor, options?: Whole): tf.Scalar;
export function maskedMin(x: tf.Tensor, mask: tf.Tensor, options: AxisOptions): tf.Tensor;
export function maskedMin(x: tf.Tensor, mask: tf.Tensor, { axis }: AxisOptions = {}): tf.Tensor {
  expectSameShape('maskedMin', { x, mask });
  return tf.tidy(() => tf.neg(largest(tf.neg(x), mask, axis)));
}

function largest(x: tf.Tensor, mask: tf.Tensor, axis: number | undefined): tf.Tensor {
  const counts = tf.greater(mask, 0);
  return withGradient(
    [x],
    () => {
      const candidates = tf.where(counts, x, tf.fill(x.shape, Number.NEGATIVE_INFINITY));
      const top = tf.max(candidates, axis, true);
      const some = tf.any(counts, axis, true);
      // Backends differ in what a maximum makes of NaN, so it is looked for.
      const unknown = tf.any(tf.isNaN(candidates), axis, true);
      const value = tf.where(unknown, tf.fill(top.shape, Number.NaN), tf.where(some, top, tf.zerosLike(top)));
      const attained = tf.logicalAnd(counts, tf.logicalOr(tf.equal(x, value), tf.isNaN(x)));
      return { value: tf.squeeze(value, axis === undefined ? undefined : [axis]), saved: [attained, value] };
    },
    (dy, [attained, value]) => {
      const share = tf.cast(attained as tf.Tensor, 'float32');
      const number = tf.maximum(tf.sum(share, axis, true), 1);
      return [tf.mul(share, tf.div(tf.reshape(dy, (value as tf.Tensor).shape), number))];
    },
  );
}
