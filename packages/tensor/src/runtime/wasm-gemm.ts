import { type Gemm, instantiateGemm, type WasmMemory } from '@tsrl/kernels';
import type { WasmBackend } from './wasm-backend.js';

/** The product kernel in the heap of a backend; undefined where it cannot run, and XNNPACK has to do. */
export type GemmOf = (backend: WasmBackend) => Gemm | undefined;

/** One kernel for each start of the backend, made when it is first asked for. */
export function createGemmOf(): GemmOf {
  const kernels = new WeakMap<WasmBackend['wasm'], Gemm | undefined>();
  return ({ wasm }) => {
    if (!kernels.has(wasm)) kernels.set(wasm, instantiate(wasm));
    return kernels.get(wasm);
  };
}

function instantiate(wasm: WasmBackend['wasm']): Gemm | undefined {
  const memory: WasmMemory | undefined = wasm.asm?.memory ?? wasm.wasmMemory;
  if (memory?.buffer !== wasm.HEAPU8.buffer) return undefined;
  try {
    return instantiateGemm({
      memory,
      allocate: (bytes) => wasm._malloc(bytes) >>> 0,
      free: (address) => wasm._free(address),
    });
  } catch {
    // No SIMD, a shared memory (the threaded build), or a probe that failed: the products of tfjs are as right.
    return undefined;
  }
}
