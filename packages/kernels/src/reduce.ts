import { BackendError } from '@tsrl/core';
import { reduceBinary } from './binaries/reduce.js';
import { compileModule, sharedMemory, type WasmMemory } from './web-assembly.js';

/** Where the arrays of a sum stand; addresses and the stride in bytes. */
export interface SumOptions {
  /** May be that of the first part; must not overlap another one. */
  readonly out: number;
  /** Part j begins at `first + j stride`. */
  readonly first: number;
  readonly stride: number;
  /** At least 1. */
  readonly parts: number;
  /** float32 numbers in each. */
  readonly count: number;
}

/** A memory that threads share, as its `buffer`, and the sum of what they left there. */
export interface SharedReduction {
  readonly memory: WasmMemory;
  /** out = ((p₀ + p₁) + p₂) + …, number by number: always in this order, so that the same parts give the same bits. */
  sum(options: SumOptions): void;
}

/**
 * A shared memory of at least `bytes` zeros, and the sum of float32 arrays in it by SIMD128 instructions.
 *
 * The sum is IEEE 754 addition and nothing else. It does not wait for anybody, and nothing checks addresses and sizes.
 *
 * @throws BackendError where WebAssembly, its SIMD instructions or shared memory are missing, and beyond 4 GB
 */
export function sharedReduction(bytes: number): SharedReduction {
  let memory: WasmMemory;
  let kernel: { sum(out: number, first: number, stride: number, parts: number, count: number): void };
  try {
    memory = sharedMemory(bytes);
    kernel = compileModule(reduceBinary, memory) as typeof kernel;
  } catch (cause) {
    const problem = `this environment cannot share ${bytes} bytes of SIMD WebAssembly; ${String(cause)}`;
    throw new BackendError('sharedReduction', problem, { cause });
  }
  return {
    memory,
    sum: ({ out, first, stride, parts, count }) => kernel.sum(out, first, stride, parts, count),
  };
}
