import * as tf from '@tensorflow/tfjs-core';

/**
 * A function of `inputs` with a gradient written by hand: `tf.customGrad` with types that fit. Nothing within it is
 * recorded, so what it does not save is freed at once: tfjs holds the results of every recorded operation until the
 * whole gradient is done.
 *
 * It is a first derivative. A gradient of this gradient takes what was saved for a constant, as `tf.customGrad` does: it
 * is right only if inputs alone are saved, and `backward` is made of operations that tfjs can differentiate.
 *
 * @param forward  the value, and what the gradient needs to see again (kept only while a gradient is taken)
 * @param backward d(loss)/d(value) and what was saved to d(loss)/d(input), one for each input
 */
export function withGradient<T extends tf.Tensor>(
  inputs: readonly tf.Tensor[],
  forward: () => { readonly value: T; readonly saved: readonly tf.Tensor[] },
  backward: (dy: T, saved: readonly tf.Tensor[]) => tf.Tensor[],
): T {
  return tf.customGrad<T>((...args) => {
    const { value, saved } = forward();
    (args.at(-1) as (tensors: tf.Tensor[]) => void)([...saved]);
    return { value, gradFunc: (dy: T, kept: tf.Tensor[]) => tf.tidy(() => backward(dy, kept)) };
  })(...inputs);
}
