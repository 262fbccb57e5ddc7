import * as tf from '@tensorflow/tfjs-core';

/** The part of the wasm backend of tfjs that gives and takes memory. */
interface WasmBackend {
  readonly wasm: { _malloc: (bytes: number) => number; _free: (address: number) => void };
}

/**
 * Most bytes of the heap of the wasm backend in use at once while `work` runs, above those before: tensors, each buffer
 * once, and the workspace of kernels. `tf.memory()` counts a reshaped tensor as if it were another buffer.
 */
export function heapUsed(work: () => void): number {
  const { wasm } = tf.backend() as unknown as WasmBackend;
  wasm._free(wasm._malloc(1)); // the first call of each puts the real function into its place
  const { _malloc, _free } = wasm;
  const sizes = new Map<number, number>();
  let [used, most] = [0, 0];
  wasm._malloc = (bytes) => {
    const address = _malloc(bytes);
    sizes.set(address >>> 0, bytes);
    used += bytes;
    most = Math.max(most, used);
    return address;
  };
  wasm._free = (address) => {
    used -= sizes.get(address >>> 0) ?? 0;
    sizes.delete(address >>> 0);
    _free(address);
  };
  try {
    work();
  } finally {
    Object.assign(wasm, { _malloc, _free });
  }
  return most;
}
