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

/**
 * Rows of a chunk at least. Each chunk passes once more over the weights and their gradient, which costs the same whatever
 * its rows: at [1024, 512] [32000, 512] the time is 1.04 to 1.07 of that for all rows at once, with 64 rows 1.15, with 256
 * 1.01.
 */
const ROWS = 104;

/** Bytes of logits in a chunk, where these hold more rows. */
const CHUNK = 2 ** 23;

/** Rows that the products compute side by side. */
const TILE = 4;

/**
 * A loss of the log-probs and entropies of tokens behind an output projection, with its gradients in both factors. For
 * each chunk of rows: the product, the pass over its logits, which leaves the gradient in their place, and both products
 * of the gradient, so that [rows, size] is never held and no product is computed twice. It borrows a chunk of the heap for
 * a call, and with the entropy one row more: at [1024, 512] [32000, 512] 13 MB, beside the 68 MB of the gradients
 * themselves, where all logits and their gradient take 262 MB.
 *
 * @throws BackendError as `instantiateGemm` and `instantiateSoftmax`
 */
export function instantiateLinearTokenGradients(heap: Heap): (call: LinearTokenGradients) => void {
  const gemm = instantiateGemm(heap);
  const softmax = instantiateSoftmax(heap);
  return (call) => {
    const { hidden, weight, rows, inner, size, width, hiddenGradient, weightGradient } = call;
    const most = rowsOfChunk(rows, size);
    const logits = heap.allocate(4 * most * size);
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
          gradient: logits,
          rows: count,
          ids: call.ids + 4 * start,
          columns: call.columns + 4 * start * width,
          statistics: call.statistics + 4 * start * perRow,
        });
        const slopes = matrix(logits, size);
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

/** Chunks of equal size, each of whole tiles. */
function rowsOfChunk(rows: number, size: number): number {
  const most = Math.max(ROWS, Math.floor(CHUNK / (4 * Math.max(1, size))));
  const chunks = Math.max(1, Math.ceil(rows / most));
  return Math.min(rows, TILE * Math.ceil(rows / chunks / TILE));
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
