import * as tf from '@tensorflow/tfjs-core';

/** The results of a kernel of @tsrl/kernels, or undefined where this backend has none and operations must do. */
export function fused(
  kernelName: string,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attrs: object = {},
): readonly tf.Tensor[] | undefined {
  if (tf.getKernel(kernelName, tf.getBackend()) === undefined) return undefined;
  const results: tf.Tensor | tf.Tensor[] = tf
    .engine()
    .runKernel(kernelName, { ...inputs } as unknown as tf.NamedTensorMap, { ...attrs } as tf.NamedAttrMap);
  return Array.isArray(results) ? results : [results];
}
