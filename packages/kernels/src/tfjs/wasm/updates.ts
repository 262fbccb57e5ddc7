import type * as tf from '@tensorflow/tfjs-core';
import { type AdamWFactors, instantiateUpdates } from '../../updates.js';
import { onWasm } from '../addressed-kernel.js';
import type { FastKernel } from '../fast-kernel.js';
import { updateKernels } from '../updates.js';
import type { KernelArguments, WasmBackend } from './backend.js';
import { onHeap } from './on-heap.js';

const updatesOf = onHeap(instantiateUpdates);

/**
 * AdamW writes the new moments over the old ones, of which it takes possession, unless somebody else shares their data:
 * a fifth less memory to touch, and none to find. The rest is as on every backend.
 */
export const wasmUpdateKernels: readonly FastKernel[] = onWasm(updateKernels, updatesOf).map((kernel) =>
  kernel.kernelName === 'TsrlAdamW' ? { ...kernel, make: () => adamW as unknown as tf.KernelFunc } : kernel,
);

function adamW({ inputs, backend, attrs }: KernelArguments): tf.TensorInfo[] {
  const updates = updatesOf(backend);
  if (updates === undefined) throw new Error('TsrlAdamW cannot run here');
  const { m, v, grad, variable } = inputs as Record<'m' | 'v' | 'grad' | 'variable', tf.TensorInfo>;
  const results = [takeOver(m, backend), takeOver(v, backend), backend.makeOutput(grad.shape, 'float32')] as const;
  const [newM, newV, update] = results;
  const at = { m, v, grad, variable, newM, newV, update };
  const addresses = Object.fromEntries(
    Object.entries(at).map(([name, { dataId }]) => [name, backend.dataIdMap.get(dataId).memoryOffset]),
  ) as Record<keyof typeof at, number>;
  updates.adamW(
    addresses,
    m.shape.reduce((product, n) => product * n, 1),
    attrs as unknown as AdamWFactors,
  );
  return [...results];
}

function takeOver({ dataId, shape }: tf.TensorInfo, backend: WasmBackend): tf.TensorInfo {
  backend.dataIdMap.get(dataId); // brings it from another backend, with its references
  if (backend.refCount(dataId) > 1) return backend.makeOutput(shape, 'float32');
  backend.incRef(dataId);
  return { dataId, shape, dtype: 'float32' };
}
