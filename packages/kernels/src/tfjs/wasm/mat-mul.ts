import * as tf from '@tensorflow/tfjs-core';
import type { Gemm, GemmOptions, Operand } from '../../gemm.js';
import type { WasmBackend, WasmKernel } from './backend.js';
import type { OnHeap } from './on-heap.js';
import { multiplyByXnnpack } from './xnnpack.js';

/** op(a) op(b) of float32: [...batch, m, k] times [...batch, k, n]. */
export interface Product {
  readonly a: tf.TensorInfo;
  readonly b: tf.TensorInfo;
  readonly flipA: boolean;
  readonly flipB: boolean;
  readonly batch: readonly number[];
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/**
 * The matrix product of the wasm backend by the kernel of @tsrl/kernels, for any flags and batch; where that cannot run,
 * by XNNPACK. A product over an inner size of 0, which tfjs leaves unwritten, is 0.
 */
export function fastMatMul(original: WasmKernel, gemmOf: OnHeap<Gemm>): WasmKernel {
  return (args) => {
    const { backend, inputs, attrs } = args;
    const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const product = productOf(a, b, attrs['transposeA'] === true, attrs['transposeB'] === true);
    if (product === undefined) return original(args);
    const { flipA, flipB, batch, m, n } = product;
    const gemm = gemmOf(backend);
    if (gemm !== undefined) {
      const out = backend.makeOutput([...batch, m, n], 'float32');
      multiply(gemm, backend, product, out);
      return out;
    }
    const broadcast = !tf.util.arraysEqual(a.shape.slice(0, -2), b.shape.slice(0, -2));
    const plain = !flipA && !flipB && tf.util.sizeFromShape([...batch]) === 1;
    const empty = tf.util.sizeFromShape(a.shape) === 0 || tf.util.sizeFromShape(b.shape) === 0;
    if (broadcast || (plain && !empty)) return original(args);
    if (!empty) return multiplyByXnnpack(backend, product);
    const zeros = backend.makeOutput([...batch, m, n], 'float32');
    backend.typedArrayFromHeap(zeros).fill(0);
    return zeros;
  };
}

/**
 * The sizes of a product; undefined for what stays with tfjs: other types, and two batches neither of which is a
 * single matrix.
 */
export function productOf(a: tf.TensorInfo, b: tf.TensorInfo, flipA: boolean, flipB: boolean): Product | undefined {
  const [m, k] = lastTwo(a, flipA);
  const [inner, n] = lastTwo(b, flipB);
  tf.util.assert(k === inner, () => `matMul: inner sizes ${k} and ${inner} of [${a.shape}] and [${b.shape}] differ`);
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const single = tf.util.sizeFromShape(batchA) === 1 || tf.util.sizeFromShape(batchB) === 1;
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
  if (!single && !tf.util.arraysEqual(batchA, batchB)) return undefined;
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  return { a, b, flipA, flipB, batch, m, k, n };
}

function lastTwo({ shape }: tf.TensorInfo, flip: boolean): [number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return flip ? [columns, rows] : [rows, columns];
}

/** out = op(a) op(b), with the bias and activation of `end`. */
export function multiply(
  gemm: Gemm,
  backend: WasmBackend,
  { a, b, flipA, flipB, batch, m, k, n }: Product,
  out: tf.TensorInfo,
  end: Pick<GemmOptions, 'bias' | 'activation'> = {},
): void {
  const count = tf.util.sizeFromShape([...batch]);
  const address = (x: tf.TensorInfo): number => backend.dataIdMap.get(x.dataId).memoryOffset;
  const operand = (x: tf.TensorInfo, flip: boolean, rows: number, columns: number): Operand => ({
    address: address(x),
    rowStride: flip ? 1 : columns,
    columnStride: flip ? rows : 1,
    batchStride: tf.util.sizeFromShape(x.shape) === rows * columns ? 0 : rows * columns,
  });
  const left = operand(a, flipA, m, k);
  const right = operand(b, flipB, k, n);
  // Many matrices times one are one matrix with all their rows, and the one is packed once.
  const joined = right.batchStride === 0 && !flipA;
  const sizes = joined ? { batch: 1, m: count * m } : { batch: count, m };
  gemm({ a: left, b: right, out: address(out), ...sizes, k, n, ...end });
}
