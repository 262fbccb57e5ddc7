import type * as tf from '@tensorflow/tfjs-core';
import { BackendError } from '@tsrl/core';
import type { WasmBackend } from './backend.js';

const mark = Symbol.for('@tsrl/kernels');

/** Turns "no memory", for which tfjs does not look and writes over its oldest tensors, into an error. */
export function guardHeap(backend: tf.KernelBackend): void {
  const { wasm } = backend as unknown as WasmBackend;
  if (mark in wasm._malloc) return;
  wasm._free(wasm._malloc(1)); // the first call puts the real function into its place
  const allocate = wasm._malloc;
  const guarded = (bytes: number): number => {
    const address = allocate(bytes);
    if (address !== 0 || bytes === 0) return address;
    throw new BackendError('wasm', `its memory, which ends at 4 GiB, has no ${bytes} bytes left; use smaller batches`);
  };
  wasm._malloc = Object.assign(guarded, { [mark]: allocate });
}

export function unguardHeap(backend: tf.KernelBackend): void {
  const { wasm } = backend as unknown as WasmBackend;
  const original = (wasm._malloc as { readonly [mark]?: (bytes: number) => number })[mark];
  if (original) wasm._malloc = original;
}
