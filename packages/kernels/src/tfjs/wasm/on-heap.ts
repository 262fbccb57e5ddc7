import { BackendError } from '@tsrl/core';
import type { Heap } from '../../heap.js';
import type { WasmMemory } from '../../web-assembly.js';
import type { WasmBackend } from './backend.js';

/** A family of kernels in the heap of a backend; undefined where it cannot run. */
export type OnHeap<T> = (backend: WasmBackend) => T | undefined;

/** One instance for each start of the backend, made when it is first asked for. */
export function onHeap<T>(instantiate: (heap: Heap) => T): OnHeap<T> {
  const instances = new WeakMap<WasmBackend['wasm'], T | undefined>();
  return ({ wasm }) => {
    if (!instances.has(wasm))
      instances.set(
        wasm,
        attempt(() => instantiate(heapOf(wasm))),
      );
    return instances.get(wasm);
  };
}

function heapOf(wasm: WasmBackend['wasm']): Heap {
  const memory: WasmMemory | undefined = wasm.asm?.memory ?? wasm.wasmMemory;
  if (memory?.buffer !== wasm.HEAPU8.buffer) throw new Error('the memory is not where it was in tfjs 4.22');
  return {
    memory,
    allocate(bytes) {
      const address = wasm._malloc(bytes) >>> 0;
      if (address === 0 && bytes > 0) throw new BackendError('wasm', `its memory has no ${bytes} bytes left`);
      return address;
    },
    free: (address) => wasm._free(address),
  };
}

/** No SIMD, a shared memory (the threaded build), a probe that failed: the kernels of tfjs are as right. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
