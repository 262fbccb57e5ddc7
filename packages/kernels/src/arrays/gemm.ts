import { ShapeError } from '@tsrl/core';
import { type GemmActivation, instantiateGemm } from '../gemm.js';
import { floatsAt, onPrivateHeap, withRoom } from './heap.js';
import { expectSizes } from './pass.js';

/** op(a) [m, k] times op(b) [k, n], row by row; a transposed operand is stored the other way round. */
export interface MatMulArrays {
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** a is [k, m]; false. */
  readonly transposeA?: boolean;
  /** b is [n, k]; false. */
  readonly transposeB?: boolean;
  /** [n], added to every row; none. */
  readonly bias?: Float32Array;
  readonly activation?: GemmActivation;
}

const gemmOf = onPrivateHeap(instantiateGemm);

/**
 * f(op(a) op(b) + bias), [m, n], with the accuracy of `instantiateGemm`; the numbers pass through the private memory.
 *
 * @throws OptionError for a size below 0, ShapeError where an array has another length, BackendError where there is no SIMD WebAssembly
 */
export function matMul({
  a,
  b,
  m,
  k,
  n,
  transposeA = false,
  transposeB = false,
  bias,
  activation,
}: MatMulArrays): Float32Array {
  expectSizes('matMul', { m, k, n }, 0);
  expectLength('a', a, m * k);
  expectLength('b', b, k * n);
  if (bias) expectLength('bias', bias, n);
  const gemm = gemmOf();
  const sizes = [a.length, b.length, bias?.length ?? 0, m * n] as const;
  return withRoom(4 * (sizes[0] + sizes[1] + sizes[2] + sizes[3]), (address) => {
    const [bAt, biasAt, out] = [
      address + 4 * sizes[0],
      address + 4 * (sizes[0] + sizes[1]),
      address + 4 * (sizes[0] + sizes[1] + sizes[2]),
    ];
    floatsAt(address, sizes[0]).set(a);
    floatsAt(bAt, sizes[1]).set(b);
    if (bias) floatsAt(biasAt, n).set(bias);
    const [aRow, aColumn] = transposeA ? [1, m] : [k, 1];
    const [bRow, bColumn] = transposeB ? [1, k] : [n, 1];
    gemm({
      a: { address, rowStride: aRow, columnStride: aColumn, batchStride: 0 },
      b: { address: bAt, rowStride: bRow, columnStride: bColumn, batchStride: 0 },
      out,
      batch: 1,
      m,
      k,
      n,
      ...(bias ? { bias: biasAt } : {}),
      ...(activation ? { activation } : {}),
    });
    return floatsAt(out, m * n).slice();
  });
}

function expectLength(name: string, { length }: Float32Array, expected: number): void {
  if (length !== expected) throw new ShapeError('matMul', name, `${expected} numbers`, `${length}`);
}
