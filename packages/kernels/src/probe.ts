import type { Gemm } from './gemm.js';
import type { Heap } from './heap.js';

/**
 * Whether a product of small integers, which float32 holds exactly, is right for every transposition. The tiles are
 * whole and broken, and the operands of both matrices of the batch differ.
 */
export function multipliesRight(gemm: Gemm, heap: Heap): boolean {
  const [batch, m, k, n] = [2, 9, 5, 19];
  const sizes = [batch * m * k, batch * k * n, batch * m * n] as const;
  const address = heap.allocate(4 * (sizes[0] + sizes[1] + sizes[2]));
  const numbers = new Float32Array(heap.memory.buffer, address, sizes[0] + sizes[1] + sizes[2]);
  const a = numbers.subarray(0, sizes[0]).map((_, i) => (i % 7) - 3);
  const b = numbers.subarray(0, sizes[1]).map((_, i) => (i % 11) - 5);
  numbers.set(a);
  numbers.set(b, sizes[0]);
  let right = true;
  for (const [transposeA, transposeB] of [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ]) {
    const [aRow, aColumn] = transposeA ? [1, m] : [k, 1];
    const [bRow, bColumn] = transposeB ? [1, k] : [n, 1];
    const out = numbers.subarray(sizes[0] + sizes[1]).fill(NaN);
    gemm({
      a: { address, rowStride: aRow, columnStride: aColumn, batchStride: m * k },
      b: { address: address + 4 * sizes[0], rowStride: bRow, columnStride: bColumn, batchStride: k * n },
      out: out.byteOffset,
      batch,
      m,
      k,
      n,
    });
    right &&= out.every((value, at) => {
      const [s, i, j] = [Math.floor(at / (m * n)), Math.floor(at / n) % m, at % n];
      let sum = 0;
      for (let l = 0; l < k; l++) {
        sum += (a[s * m * k + i * aRow + l * aColumn] ?? NaN) * (b[s * k * n + l * bRow + j * bColumn] ?? NaN);
      }
      return value === sum;
    });
  }
  heap.free(address);
  return right;
}
