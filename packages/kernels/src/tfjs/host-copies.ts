import * as tf from '@tensorflow/tfjs-core';
import type { WasmBackend } from './wasm/backend.js';

/**
 * The numbers of a float32 tensor in an array of the caller's, such as one that threads share. On the wasm backend this
 * is one copy out of its heap; elsewhere it is `tensor.data()`, which makes an array of its own first.
 */
export async function downloadInto(tensor: tf.Tensor, out: Float32Array): Promise<void> {
  out.set(heapView(tensor) ?? ((await tensor.data()) as Float32Array));
}

/** A tensor of what stands in `values` now: nothing refers to the array afterwards. */
export function uploadFrom(values: Float32Array, shape: readonly number[]): tf.Tensor {
  // The wasm backend copies into its heap at once; others may keep the array that they are given.
  return tf.tensor(tf.getBackend() === 'wasm' ? values : values.slice(), [...shape], 'float32');
}

function heapView(tensor: tf.Tensor): Float32Array | undefined {
  if (tf.getBackend() !== 'wasm') return undefined;
  const { typedArrayFromHeap, dataIdMap } = tf.backend() as unknown as Partial<WasmBackend>;
  // The data of a tensor that was made on another backend come here by its next operation.
  const here = (dataIdMap as { has?(dataId: object): boolean } | undefined)?.has?.(tensor.dataId);
  if (!here || !typedArrayFromHeap) return undefined;
  return typedArrayFromHeap.call(tf.backend(), tensor) as Float32Array;
}
