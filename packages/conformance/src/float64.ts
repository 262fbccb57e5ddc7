import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '@tsrl/tensor';

/**
 * Runs our device functions in float64. The cpu backend is plain JavaScript over typed arrays that it makes by the
 * global name `Float32Array`: while that name means `Float64Array`, the same code computes in double precision. So the
 * float64 result of a case comes from the function under test, and no formula is written twice. Our own kernels hold
 * float32 whatever that name means, so they are away, and the same functions compute without them. Nothing else may
 * run meanwhile.
 */
export async function inFloat64<T>(run: () => Promise<T>): Promise<T> {
  const backend = tf.getBackend();
  const { platform } = tf.env();
  const { isTypedArray } = platform;
  const single = globalThis.Float32Array;
  await useBackend('cpu');
  const ours = tf.getKernelsForBackend('cpu').filter(({ kernelName }) => kernelName.startsWith('Tsrl'));
  for (const { kernelName } of ours) tf.unregisterKernel(kernelName, 'cpu');
  try {
    globalThis.Float32Array = Float64Array as unknown as Float32ArrayConstructor;
    platform.isTypedArray = ArrayBuffer.isView as typeof isTypedArray;
    return await run();
  } finally {
    globalThis.Float32Array = single;
    platform.isTypedArray = isTypedArray;
    for (const kernel of ours) tf.registerKernel(kernel);
    await tf.setBackend(backend);
  }
}

/** The distance from a number to the next one that float32 can hold. */
export function ulp32(x: number): number {
  const size = Math.max(Math.abs(x), 2 ** -126);
  return 2 ** (Math.floor(Math.log2(size)) - 23);
}
