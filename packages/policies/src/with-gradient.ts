import * as tf from '@tensorflow/tfjs-core';

/** What a function with a gradient of its own computes, and what its gradient needs to see again. */
interface Forward {
  readonly value: tf.Tensor2D | tf.Tensor3D;
  readonly saved: readonly tf.Tensor[];
}

/**
 * A function of `inputs` with a gradient written by hand. Nothing within it is recorded, so what it does not save is
 * freed at once: tfjs holds the results of every recorded operation until the whole gradient is done.
 *
 * @param backward from d(loss)/d(value) and what was saved to d(loss)/d(input), one for each input
 */
export function withGradient<T extends tf.Tensor2D | tf.Tensor3D>(
  inputs: readonly tf.Tensor[],
  forward: () => Forward & { readonly value: T },
  backward: (dy: T, saved: readonly tf.Tensor[]) => tf.Tensor[],
): T {
  return tf.customGrad<T>((...args) => {
    const { value, saved } = forward();
    (args.at(-1) as tf.GradSaveFunc)([...saved]);
    return { value, gradFunc: (dy: T, kept: tf.Tensor[]) => tf.tidy(() => backward(dy, kept)) };
  })(...inputs);
}
