import * as tf from '@tensorflow/tfjs-core';

/**
 * x · factor for a scalar on the device, without a pass over x where the factor is 1, as it is for the gradient of
 * what was differentiated itself. Not differentiable; for gradients written by hand.
 */
export function scaleBy<T extends tf.Tensor>(x: T, factor: tf.Scalar): T {
  return tf.getKernel('TsrlScaleBy', tf.getBackend()) === undefined
    ? tf.mul(x, factor)
    : (tf.engine().runKernel('TsrlScaleBy', { x, factor }) as unknown as T);
}
