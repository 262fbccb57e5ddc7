import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '@tsrl/tensor';

/** Which kernels of the wasm backend run: those that tfjs ships, or those with the repairs of @tsrl/tensor over them. */
export type Variant = 'unrepaired' | 'repaired';
export const variants: readonly Variant[] = ['unrepaired', 'repaired'];

/**
 * Starts the wasm backend and returns a switch between the two sets of kernels.
 *
 * The kernel that tfjs lacks altogether, UnsortedSegmentSum, is registered by importing @tsrl/tensor and stays in both:
 * without it the unrepaired backend cannot differentiate an embedding, so there would be nothing to compare with.
 */
export async function startWasm(): Promise<(variant: Variant) => void> {
  await tf.setBackend('wasm');
  const unrepaired = new Map(tf.getKernelsForBackend('wasm').map((kernel) => [kernel.kernelName, kernel]));
  await useBackend('wasm');
  const repaired = tf
    .getKernelsForBackend('wasm')
    .filter((kernel) => kernel.kernelFunc !== unrepaired.get(kernel.kernelName)?.kernelFunc);
  const sets: Record<Variant, readonly tf.KernelConfig[]> = {
    repaired,
    unrepaired: repaired.map(({ kernelName }) => unrepaired.get(kernelName) as tf.KernelConfig),
  };
  return (variant) => {
    for (const kernel of sets[variant]) {
      tf.unregisterKernel(kernel.kernelName, 'wasm');
      tf.registerKernel(kernel);
    }
  };
}
