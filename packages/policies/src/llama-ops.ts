import * as tf from '@tensorflow/tfjs-core';

/**
 * Root-mean-square normalisation of rows, [N, H]:
 *
 *   y = w · x / sqrt(mean(x²) + ε)
 *
 * @see Zhang and Sennrich 2019, arXiv:1910.07467
 */
export function rmsNorm(x: tf.Tensor2D, weight: tf.Tensor1D, epsilon: number): tf.Tensor2D {
  const scale = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon));
  return tf.mul(tf.mul(x, scale), weight);
}

/** silu(gate) · up, where silu(x) = x · sigmoid(x). @see Shazeer 2020, arXiv:2002.05202 */
export function swiglu(gate: tf.Tensor2D, up: tf.Tensor2D): tf.Tensor2D {
  return tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
}
