import * as tf from '@tensorflow/tfjs-core';
import { installFastKernels, uninstallFastKernels } from '@tsrl/kernels/tfjs';
import { type BackendName, useBackend } from '@tsrl/tensor';

/** Whose kernels run: those of tsrl over those of tfjs, or those that tfjs ships. */
export type KernelSet = 'tsrl' | 'tfjs';

/**
 * Starts a backend and returns a switch between the two sets of kernels, for the whole process.
 *
 * UnsortedSegmentSum, which tfjs lacks on wasm, is ours in both: without it the gradient of an embedding does not exist,
 * and plain tfjs could not take part.
 */
export async function startBackend(name: BackendName): Promise<(set: KernelSet) => void> {
  tf.enableProdMode();
  await useBackend(name);
  const missing = tf.getKernel('UnsortedSegmentSum', name);
  let current: KernelSet = 'tsrl';
  return (set) => {
    if (set === current) return;
    current = set;
    if (set === 'tsrl') {
      installFastKernels();
    } else {
      uninstallFastKernels();
      if (!tf.getKernel('UnsortedSegmentSum', name)) {
        tf.registerKernel({ ...missing, kernelName: 'UnsortedSegmentSum', backendName: name } as tf.KernelConfig);
      }
    }
  };
}
