import * as tf from '@tensorflow/tfjs-core';

/**
 * min(max(x, −bound), bound), with gradient 0 outside; a bound of Infinity changes nothing. NaN stays NaN, where
 * `tf.clipByValue` gives the lower bound on wasm without `useBackend`: a diverged log-prob must not end as a harmless
 * loss.
 */
export function clampTo<T extends tf.Tensor>(x: T, bound: number): T {
  if (bound === Number.POSITIVE_INFINITY) return tf.clone(x);
  // The tensor first: in the other order `tf.maximum` and `tf.minimum` lose a NaN on wasm.
  return tf.tidy(() => tf.minimum<T>(tf.maximum<T>(x, -bound), bound));
}
