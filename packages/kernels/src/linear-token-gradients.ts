import { instantiateGemm, type Operand } from './gemm.js';
import type { Heap } from './heap.js';
import { instantiateSoftmax, type TokenGradients } from './softmax.js';

/** `TokenGradients` with logits = hidden · weightᵀ, which exist for a chunk of rows at a time; addresses are in bytes. */
export interface LinearTokenGradients extends Omit<TokenGradients, 'logits' | 'gradient'> {
  /** Address of float32 [rows, inner]. */
  readonly hidden: number;
  /** Address of float32 [size, inner]. */
  readonly weight: number;
  readonly inner: number;
  /** Address of the result, float32 [rows, inner]. */
  readonly hiddenGradient: number;
  /** Address of the result, float32 [size, inner]. */
  readonly weightGradient: number;
}

/** Bytes of logits that exist at a time; as many hold their gradient. Half of it costs 5 % of the time. */
const CHUNK = 2 ** 25;

/**
 * A loss of the log-probs and entropies of tokens behind an output projection, with its gradients in both factors. For
 * each chunk of rows: the product, the pass over its logits, and both products of the gradient, so that [rows, size] is
 * never held and nothing is computed twice. It borrows two chunks of the heap for a call.
 *
 * @throws BackendError as `instantiateGemm` and `instantiateSoftmax`
 */
export function instantiateLinearTokenGradients(heap: Heap): (call: LinearTokenGradients) => void {
  const gemm = instantiateGemm(heap);
  const softmax = instantiateSoftmax(heap);
  return (call) => {
    const { hidden, weight, rows, inner, size, width, hiddenGradient, weightGradient } = call;
    const chunks = Math.max(1, Math.ceil((4 * rows * size) / CHUNK));
    const most = Math.ceil(rows / chunks);
    const logits = heap.allocate(2 * 4 * most * size);
    const gradient = logits + 4 * most * size;
    const perRow = call.entropy ? 2 : 1;
    try {
      let start = 0;
      do {
        const count = Math.min(most, rows - start);
        const states = matrix(hidden + 4 * start * inner, inner);
        gemm({ a: states, b: transposed(matrix(weight, inner)), out: logits, batch: 1, m: count, k: inner, n: size });
        softmax.tokenGradients({
          ...call,
          logits,
          gradient,
          rows: count,
          ids: call.ids + 4 * start,
          columns: call.columns + 4 * start * width,
          statistics: call.statistics + 4 * start * perRow,
        });
        const slopes = matrix(gradient, size);
        const toHidden = hiddenGradient + 4 * start * inner;
        gemm({ a: slopes, b: matrix(weight, inner), out: toHidden, batch: 1, m: count, k: size, n: inner });
        const toWeight = { out: weightGradient, batch: 1, m: size, k: count, n: inner, accumulate: start > 0 };
        gemm({ a: transposed(slopes), b: states, ...toWeight });
        start += count;
      } while (start < rows);
    } finally {
      heap.free(logits);
    }
  };
}

const matrix = (address: number, columns: number): Operand => ({
  address,
  rowStride: columns,
  columnStride: 1,
  batchStride: 0,
});

const transposed = ({ rowStride, columnStride, ...rest }: Operand): Operand => ({
  ...rest,
  rowStride: columnStride,
  columnStride: rowStride,
});
