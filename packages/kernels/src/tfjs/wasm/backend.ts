import type * as tf from '@tensorflow/tfjs-core';

/**
 * The part of the wasm backend of tfjs 4.22 that the kernels touch. It is public in fact, not in its documentation;
 * the probes of `installFastKernels` and `tfjs.test.ts` fail when a release changes it.
 */
export interface WasmBackend {
  readonly wasm: {
    readonly HEAPU8: Uint8Array;
    /** Where the memory is found in the plain and SIMD builds, and in the threaded one. */
    readonly asm?: { readonly memory?: { readonly buffer: ArrayBufferLike } };
    readonly wasmMemory?: { readonly buffer: ArrayBufferLike };
    _malloc: (bytes: number) => number;
    _free(address: number): void;
    _BatchMatMul(
      a: number,
      aShape: number,
      aRank: number,
      b: number,
      bShape: number,
      bRank: number,
      transposeA: number,
      transposeB: number,
      out: number,
    ): void;
    readonly tfjs: {
      registerTensor(id: number, size: number, address: number): void;
      disposeData(id: number): void;
    };
  };
  /** The next unused tensor id of the C++ side. */
  dataIdNextNumber: number;
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  /** A view of the heap: valid until the next allocation. */
  typedArrayFromHeap(tensor: tf.TensorInfo): Float32Array | Int32Array | Uint8Array;
  refCount(dataId: object): number;
  incRef(dataId: object): void;
  disposeData(dataId: object): boolean;
}

export interface KernelArguments {
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>;
  readonly backend: WasmBackend;
  readonly attrs: Readonly<Record<string, unknown>>;
}

/** A kernel of the wasm backend, with the types that tfjs erases. */
export type WasmKernel<Result = tf.TensorInfo> = (args: KernelArguments) => Result;
