import { BackendError } from '@tsrl/core';
import { softmaxBinary } from './binaries/softmax.js';
import { compileFamily } from './compile-family.js';
import type { Heap } from './heap.js';
import { hasRightSoftmax } from './softmax-probe.js';

/** Rows of logits in somebody's heap, and what of them is asked for; addresses are in bytes. */
export interface SoftmaxRows {
  /** Address of float32 [rows, size]. */
  readonly logits: number;
  /** Address of int32 [rows, chosen]. An id outside [0, size) reads nothing and has no gradient; its log-prob is NaN. */
  readonly ids: number;
  readonly rows: number;
  readonly size: number;
  /** How many ids a row has, 0 or more. */
  readonly chosen: number;
  /** τ > 0, finite. */
  readonly temperature: number;
  /** An id whose log-prob is 0, without gradient. */
  readonly ignoreId: number;
  /** Whether the statistics have the entropy. */
  readonly entropy: boolean;
  /** Address of float32 [rows, chosen + 1 (+ 1)]: the log-probs, the log-normalizer and, if asked for, the entropy. */
  readonly statistics: number;
  /** Address of float32 [rows, 2]: M and log Σ exp((x − M) / τ). */
  readonly top: number;
}

/** The gradient of Σ dy statistics; `statistics` and `top` are those of the forward pass. */
export interface SoftmaxGradient extends SoftmaxRows {
  /** Address of float32 [rows, chosen + 1 (+ 1)]. */
  readonly dy: number;
  /** Address of the result, float32 [rows, size]. */
  readonly gradient: number;
}

/**
 * The slopes of a row's loss: d loss / d logProb into out[0], d loss / d entropy into out[1]; both are 0 before. The
 * numbers of the row are columns[offset], columns[offset + 1], ... Without entropy it is NaN and out[1] is not read.
 * It must not call a kernel.
 */
export type TokenSlopes = (
  logProb: number,
  entropy: number,
  columns: Float32Array,
  offset: number,
  out: Float64Array,
) => void;

/** Rows of logits with one id each, and a loss of their log-prob and entropy. */
export interface TokenGradients {
  /** Address of float32 [rows, size]. */
  readonly logits: number;
  /** Address of int32 [rows]; see `SoftmaxRows`. A row whose id is ignored has statistics and gradient 0. */
  readonly ids: number;
  /** Address of float32 [rows, width], for `slopes`. */
  readonly columns: number;
  readonly rows: number;
  readonly size: number;
  readonly width: number;
  /** τ > 0, finite. */
  readonly temperature: number;
  readonly ignoreId: number;
  readonly entropy: boolean;
  readonly slopes: TokenSlopes;
  /** Address of float32 [rows, 1 (+ 1)]: the log-prob and, if asked for, the entropy. */
  readonly statistics: number;
  /** Address of the result, float32 [rows, size]; that of the logits to have it in their place. */
  readonly gradient: number;
}

/**
 * The family; nothing checks addresses and sizes: what they name is read and written. Outputs overlap nothing, but where
 * `TokenGradients` says so.
 */
export interface Softmax {
  /**
   * For rows x and ids i, with M = max x:
   *
   *   logProb = (x_i − M) / τ − log S,  logNormalizer = M / τ + log S,  S = Σ_v exp((x_v − M) / τ)
   *   entropy = log S − Σ_v p_v (x_v − M) / τ,  p = softmax(x / τ)
   *
   * Logits of −∞ have probability 0. A row of nothing else has logNormalizer −∞, entropy 0 and log-probs −∞; M is −3e38
   * there, and log S 0. A NaN makes all of its row NaN, but for M.
   */
  selectiveLogSoftmax(call: SoftmaxRows): void;
  /**
   * With dy = (g_1 ... g_K, n, h) of a row:
   *
   *   dx_j = (1 / τ) [Σ_k g_k 1[j = i_k] + p_j (n − Σ_k g_k − h (log p_j + entropy))]
   *
   * Where n − Σ g and h are 0, the second term is 0 and not computed, also in a row with NaN.
   */
  selectiveLogSoftmaxGradient(call: SoftmaxGradient): void;
  /**
   * Log-prob and entropy of a token in each row, and the gradient of a loss of them, in one pass over the logits with one
   * exponential for each: the gradient above with g and h from `slopes`, and n = 0. Slopes of 0 give a gradient of 0.
   * In the place of the logits the gradient is the same to the last bit; with the entropy, a row of the heap is borrowed.
   */
  tokenGradients(call: TokenGradients): void;
}

/**
 * Statistics of softmax distributions over a vocabulary, and their gradients, by SIMD128 instructions in the memory of
 * another module.
 *
 * Errors against float64: 1e-6 + 1e-7 |logProb|, and 1e-6 p (1 + |log p| / 8) in a gradient, times what is multiplied
 * by p. For normal logits with a deviation of 4 they are 3e-7 + 6e-8 |logProb|, and 4e-7 in the entropy. A p below the
 * normal numbers of float32 counts as 0. The workspace is under 1 KB of the heap.
 *
 * @throws BackendError where WebAssembly or its SIMD instructions are missing, where the memory is shared, and where
 *   the kernels do not give what plain loops give
 */
export function instantiateSoftmax(heap: Heap): Softmax {
  const kernel = compileFamily<Kernel>('instantiateSoftmax', softmaxBinary, heap);
  const block = heap.allocate(kernel.workBytes() + 64);
  const work = block + 64 - (block % 64);

  const softmax: Softmax = {
    selectiveLogSoftmax(call) {
      const { logits, ids, statistics, top, rows, size, chosen, temperature, ignoreId, entropy } = call;
      const flag = Number(entropy);
      kernel.forward(logits, ids, statistics, top, rows, size, chosen, temperature, ignoreId, flag, work);
    },
    selectiveLogSoftmaxGradient(call) {
      const { logits, ids, statistics, top, dy, gradient, rows, size, chosen, temperature, ignoreId, entropy } = call;
      const sizes = [rows, size, chosen] as const;
      const flag = Number(entropy);
      kernel.backward(logits, ids, statistics, top, dy, gradient, ...sizes, temperature, ignoreId, flag, work);
    },
    tokenGradients(call) {
      const { logits, gradient, rows, size, width, temperature, ignoreId, entropy, slopes } = call;
      const out = new Float64Array(2);
      const flag = Number(entropy);
      const perRow = entropy ? 2 : 1;
      // The slope of the entropy multiplies exponentials by logits, so that these cannot lie in each other's place.
      const spare = entropy && gradient === logits ? heap.allocate(4 * size) : undefined;
      try {
        kernel.prepare(temperature, work);
        let views = viewsOf(heap, call, kernel.resultsAt(work) >>> 0);
        for (let row = 0; row < rows; row++) {
          const { ids, columns, statistics, results } = views;
          const [x, to] = [logits + 4 * row * size, gradient + 4 * row * size];
          const e = spare ?? to;
          const id = ids[row] as number;
          out.fill(0);
          if (id === ignoreId) {
            statistics.fill(0, row * perRow, (row + 1) * perRow);
          } else {
            kernel.beginRow(x, id, e, size, temperature, flag, work);
            statistics[row * perRow] = results[0] as number;
            if (entropy) statistics[row * perRow + 1] = results[1] as number;
            // As they are reported: a ratio to the same number, read again, is exactly 1.
            const entropyOf = entropy ? (statistics[row * perRow + 1] as number) : Number.NaN;
            slopes(statistics[row * perRow] as number, entropyOf, columns, row * width, out);
          }
          const [slope, slopeOfEntropy] = [out[0] as number, entropy ? (out[1] as number) : 0];
          kernel.endRow(x, id, e, to, size, temperature, ignoreId, slope, slopeOfEntropy, work);
          // A callback that allocates may have made the heap grow.
          if (ids.buffer !== heap.memory.buffer) views = viewsOf(heap, call, kernel.resultsAt(work) >>> 0);
        }
      } finally {
        if (spare !== undefined) heap.free(spare);
      }
    },
  };
  if (!hasRightSoftmax(softmax, heap)) {
    heap.free(block);
    throw new BackendError('instantiateSoftmax', 'the kernels give wrong numbers here');
  }
  return softmax;
}

function viewsOf({ memory: { buffer } }: Heap, call: TokenGradients, results: number) {
  const { ids, columns, statistics, rows, width, entropy } = call;
  return {
    ids: new Int32Array(buffer, ids, rows),
    columns: new Float32Array(buffer, columns, rows * width),
    statistics: new Float32Array(buffer, statistics, rows * (entropy ? 2 : 1)),
    results: new Float64Array(buffer, results, 2),
  };
}

interface Kernel {
  workBytes(): number;
  resultsAt(work: number): number;
  prepare(temperature: number, work: number): void;
  forward(...numbers: number[]): void;
  backward(...numbers: number[]): void;
  beginRow(...numbers: number[]): void;
  endRow(...numbers: number[]): void;
}
