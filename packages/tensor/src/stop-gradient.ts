import * as tf from '@tensorflow/tfjs-core';

/**
 * The same numbers without their history: nothing flows back through the result, and operations without a gradient
 * (comparisons, `argMax`) may be applied to it between a parameter and the loss.
 *
 * A `customGrad` of gradient zero would not do: its node stays on the tape, and the operation behind it still raises.
 */
export function stopGradient<T extends tf.Tensor>(x: T): T {
  const engine = tf.engine();
  const identity = tf.getKernel('Identity', engine.backendName);
  const info = identity.kernelFunc({ inputs: { x }, backend: engine.backend }) as tf.TensorInfo;
  return engine.makeTensorFromTensorInfo(info) as T;
}
