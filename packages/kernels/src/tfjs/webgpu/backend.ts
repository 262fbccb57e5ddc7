import type * as tf from '@tensorflow/tfjs-core';

/** A compute shader as the webgpu backend of tfjs 4.22 runs it; it declares the inputs and `result` around the code. */
export interface Program {
  readonly variableNames: readonly string[];
  /** One value a field, in this order, as `Uniform`s. */
  readonly uniforms?: string;
  readonly outputShape: readonly number[];
  readonly workgroupSize: readonly [number, number, number];
  readonly dispatchLayout: { readonly x: readonly number[] };
  /** Workgroups; tfjs folds more than a dimension holds into further dimensions, rounded up. */
  readonly dispatch: readonly [number, number, number];
  /** Names the compiled code, to which tfjs adds ranks, dtypes and the size of a workgroup: equal keys must have equal code. */
  readonly shaderKey: string;
  getUserCode(): string;
}

export interface Uniform {
  readonly type: 'float32' | 'int32';
  readonly data: readonly number[];
}

/** The part of the webgpu backend of tfjs 4.22 that the kernels touch. */
export interface WebgpuBackend {
  runWebGPUProgram(
    program: Program,
    inputs: readonly tf.TensorInfo[],
    dtype: tf.DataType,
    uniforms?: readonly Uniform[],
  ): tf.TensorInfo;
  makeTensorInfo(shape: readonly number[], dtype: tf.DataType, values?: Float32Array): tf.TensorInfo;
  disposeData(dataId: object): boolean;
}

export interface KernelArguments<Attributes> {
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>;
  readonly backend: WebgpuBackend;
  readonly attrs: Attributes;
}

/** How many invocations share a row; every device offers 256. */
export const lanesOf = (columns: number): number => (columns < 4096 ? 64 : 256);

/** A program with one workgroup of so many lanes for each row of a [rows, columns] output. */
export function rowProgram(
  shaderKey: string,
  variableNames: readonly string[],
  outputShape: readonly [number, number],
  lanes: number,
  uniforms: string,
  code: string,
): Program {
  return {
    variableNames,
    uniforms,
    outputShape,
    workgroupSize: [lanes, 1, 1],
    dispatchLayout: { x: [0, 1] },
    dispatch: [outputShape[0], 1, 1],
    shaderKey,
    getUserCode: () => code,
  };
}
