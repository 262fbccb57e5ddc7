import { ShapeError } from '@tsrl/core';
import { type GemmActivation, instantiateGemm } from '../gemm.js';
import { floatsAt, onPrivateHeap } from './heap.js';
import { expectNumbers, expectSizes, pass } from './pass.js';

/**
 * op(a) [m, k] times op(b) [k, n], row by row; a transposed operand is stored the other way round. Of a batch, either
 * holds all matrices one after the other, or the one that serves them all.
 */
export interface MatMulArrays {
  readonly a: Float32Array;
  readonly b: Float32Array;
  /** How many products; 1. */
  readonly batch?: number;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** a is [k, m]; false. */
  readonly transposeA?: boolean;
  /** b is [n, k]; false. */
  readonly transposeB?: boolean;
  /** [n], added to every row; none. */
  readonly bias?: Float32Array;
  /** [batch, m, n], to which the products are added; none. */
  readonly addTo?: Float32Array;
  readonly activation?: GemmActivation;
}

const gemmOf = onPrivateHeap(instantiateGemm);

/**
 * f(addTo + op(a) op(b) + bias), [batch, m, n], a new array, with the accuracy of `instantiateGemm`; the numbers pass
 * through the private memory. Operands with other strides are for `instantiateGemm`, which reads them where they stand.
 *
 * @throws OptionError for a size below 0, ShapeError where an array has another length, BackendError where there is no SIMD WebAssembly
 */
export function matMul({
  a,
  b,
  batch = 1,
  m,
  k,
  n,
  transposeA = false,
  transposeB = false,
  bias,
  addTo,
  activation,
}: MatMulArrays): Float32Array {
  expectSizes('matMul', { batch, m, k, n }, 0);
  const [aStride, bStride] = [batchStride('a', a, batch, m * k), batchStride('b', b, batch, k * n)];
  if (bias) expectNumbers('matMul', 'bias', bias, n);
  if (addTo) expectNumbers('matMul', 'addTo', addTo, batch * m * n);
  const gemm = gemmOf();
  const [aRow, aColumn] = transposeA ? [1, m] : [k, 1];
  const [bRow, bColumn] = transposeB ? [1, k] : [n, 1];
  const size = batch * m * n;
  const [product] = pass([a, b, bias ?? none], [size], ([aAt = 0, bAt = 0, biasAt = 0], [out = 0]) => {
    if (addTo) floatsAt(out, size).set(addTo);
    gemm({
      a: { address: aAt, rowStride: aRow, columnStride: aColumn, batchStride: aStride },
      b: { address: bAt, rowStride: bRow, columnStride: bColumn, batchStride: bStride },
      out,
      batch,
      m,
      k,
      n,
      accumulate: addTo !== undefined,
      ...(bias ? { bias: biasAt } : {}),
      ...(activation ? { activation } : {}),
    });
  });
  return product as Float32Array;
}

const none = new Float32Array(0);

/** 0 where one matrix serves the whole batch. */
function batchStride(name: string, { length }: Float32Array, batch: number, size: number): number {
  if (length === size) return batch === 1 ? size : 0;
  if (length === batch * size) return size;
  throw new ShapeError(
    'matMul',
    name,
    batch === 1 ? `${size} numbers` : `${size} or ${batch * size} numbers`,
    `${length} numbers`,
  );
}
