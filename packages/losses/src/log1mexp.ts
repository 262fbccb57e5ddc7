import * as tf from '@tensorflow/tfjs-core';
import { expectSameShape, withGradient } from '@tsrl/tensor';

/**
 * log(1 − exp(x)) for x < 0, the log-probability of the opposite: log(−expm1(x)) above −log 2 and log1p(−exp(x)) below,
 * each where it keeps its digits. Gradient −1 / expm1(−x), finite for every x < 0; −∞ at 0, NaN above.
 *
 * Differences: TRL's chooses with a `where` that lets NaN of the branch not taken into the gradient for extreme x.
 *
 * @throws ShapeError unless x is float32
 * @see Mächler 2012, "Accurately computing log(1 − exp(−|a|))"
 */
export function log1mexp<T extends tf.Tensor>(x: T): T {
  expectSameShape('log1mexp', { x });
  return tf.tidy(() =>
    withGradient<T>(
      [x],
      () => {
        const near = tf.log(tf.neg(tf.expm1(x)));
        const far = tf.log1p(tf.neg(tf.exp(x)));
        return { value: tf.where(tf.greater(x, -Math.LN2), near, far) as T, saved: [x] };
      },
      (dy, [at]) => [tf.neg(tf.div(dy, tf.expm1(tf.neg(at as tf.Tensor))))],
    ),
  );
}
