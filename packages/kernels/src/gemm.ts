import { BackendError } from '@tsrl/core';
import { gemmBinary } from './binaries/gemm.js';
import { compileFamily } from './compile-family.js';
import type { Heap } from './heap.js';
import { multipliesRight } from './probe.js';

/**
 * A matrix, or a batch of them: element (i, j) of matrix s is the float32 at
 * `address + 4 (s batchStride + i rowStride + j columnStride)`.
 *
 * A transposed matrix has its strides exchanged; with a batch stride of 0 one matrix serves the whole batch.
 */
export interface Operand {
  readonly address: number;
  readonly rowStride: number;
  readonly columnStride: number;
  readonly batchStride: number;
}

export interface GemmOptions {
  /** [batch, m, k] */
  readonly a: Operand;
  /** [batch, k, n] */
  readonly b: Operand;
  /** Address of the result [batch, m, n], dense, overlapping neither operand. */
  readonly out: number;
  readonly batch: number;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** Add to what stands in `out`; false. */
  readonly accumulate?: boolean;
  /** Address of n numbers to add to every row; none. */
  readonly bias?: number;
  /** What is applied to each element at the end; nothing. */
  readonly activation?: GemmActivation;
}

/**
 * relu(x) = max(x, 0); gelu(x) = x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, the `gelu_new` of Hugging Face;
 * silu(x) = x / (1 + exp(-x)). NaN passes. The gradients of gelu and silu need what they are applied to, so a product
 * that is to be differentiated leaves them out.
 */
export type GemmActivation = 'relu' | 'gelu' | 'silu';

/**
 * out = f(a b + bias), or f(out + a b + bias), for each matrix of a batch. Sizes may be 0; over k = 0 the product is 0.
 */
export type Gemm = (options: GemmOptions) => void;

/**
 * The float32 matrix product by SIMD128 instructions, working in the memory of another module without copying.
 *
 * Each element is a sum of products rounded one after the other, in blocks of at most 256: |error| is at most
 * (257 + k / 256) 2⁻²⁴ Σ |aᵢₗ bₗⱼ| in the first order, where the bias counts as one of the products. Where
 * the engine knows relaxed SIMD, product and sum may be rounded once, which is up to 1.2 times as fast; so the last bits
 * depend on engine and machine, and on nothing else. The activations add 5e-7, relatively. NaN and infinities come out
 * as IEEE 754 has them, but for gelu and silu of -Infinity, which are NaN. Sums begin at +0, so that the product of a
 * negative zero is +0. Nothing checks addresses and sizes: what they name is read and written.
 *
 * It keeps about 640 KB of the heap as workspace, which a call fills; it is free between calls.
 *
 * @throws BackendError where WebAssembly or its SIMD instructions are missing, where the memory is shared, and where
 *   the products of small integers, of every transposition, are not what plain loops give
 * @see Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3)
 */
export function instantiateGemm(heap: Heap): Gemm {
  const kernel = compileFamily<Kernel>('instantiateGemm', gemmBinary, heap);
  // Vectors that straddle lines of the cache cost a second access.
  const scratch = heap.allocate(kernel.scratchBytes() + 64);
  const aligned = scratch + 64 - (scratch % 64);
  const gemm: Gemm = ({ a, b, out, batch, m, k, n, accumulate = false, bias = 0, activation }) =>
    kernel.gemm(
      a.address,
      a.rowStride,
      a.columnStride,
      a.batchStride,
      b.address,
      b.rowStride,
      b.columnStride,
      b.batchStride,
      out,
      batch,
      m,
      k,
      n,
      accumulate ? 1 : 0,
      bias,
      activation === undefined ? 0 : activations[activation],
      aligned,
    );
  if (!multipliesRight(gemm, heap)) {
    heap.free(scratch);
    throw new BackendError('instantiateGemm', 'the kernel gives wrong products here');
  }
  return gemm;
}

const activations: Readonly<Record<GemmActivation, number>> = { relu: 1, gelu: 2, silu: 3 };

interface Kernel {
  scratchBytes(): number;
  gemm(...numbers: number[]): void;
}
