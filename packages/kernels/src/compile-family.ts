import { BackendError } from '@tsrl/core';
import type { Heap } from './heap.js';
import { type Binary, compileModule } from './web-assembly.js';

/** The exports of a family of kernels in the memory of `heap`; a BackendError of `who` where that cannot be. */
export function compileFamily<Kernel>(who: string, binary: Binary, heap: Heap): Kernel {
  try {
    return compileModule(binary, heap.memory) as Kernel;
  } catch (cause) {
    const problem = `this environment cannot run SIMD WebAssembly in that memory; ${String(cause)}`;
    throw new BackendError(who, problem, { cause });
  }
}
