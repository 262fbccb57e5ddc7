import { OptionError } from '@tsrl/core';
import { matMul } from './gemm.js';
import type { LinearTokenGradientArrays } from './linear-token-gradients.js';
import { expectNumbers } from './pass.js';
import { selectiveLogSoftmax } from './softmax.js';

/** Tokens behind an output projection. */
export type LinearLogProbArrays = Omit<LinearTokenGradientArrays, 'columns' | 'slopes'>;

/** Bytes of logits that exist at a time. */
const CHUNK = 2 ** 25;

/**
 * Log-prob (and entropy) of a token in each row of softmax(hidden · weightᵀ / τ), [R, 1 (+ 1)], chunk by chunk: the logits
 * are never held together. An id to ignore has log-prob 0; its entropy is that of its row.
 *
 * @throws ShapeError, OptionError unless `inner` and the temperature are positive, BackendError without SIMD WebAssembly
 */
export function linearLogProbs({ hidden, weight, ids, inner, ...softmax }: LinearLogProbArrays): Float32Array {
  const who = 'linearLogProbs';
  if (!(Number.isInteger(inner) && inner > 0)) throw new OptionError(who, 'inner', 'a positive integer', inner);
  const rows = ids.length;
  const size = Math.floor(weight.length / inner);
  expectNumbers(who, 'hidden', hidden, rows * inner);
  expectNumbers(who, 'weight', weight, size * inner);
  const wide = softmax.entropy ? 2 : 1;
  const results = new Float32Array(rows * wide);
  const most = Math.max(1, Math.floor(CHUNK / (4 * Math.max(1, size))));
  for (let start = 0; start < rows; start += most) {
    const end = Math.min(rows, start + most);
    const a = hidden.subarray(start * inner, end * inner);
    const logits = matMul({ a, b: weight, m: end - start, k: inner, n: size, transposeB: true });
    const { statistics } = selectiveLogSoftmax({ ...softmax, logits, size, ids: ids.subarray(start, end) });
    for (let row = start; row < end; row++) {
      const from = (row - start) * (wide + 1); // log-prob, log-normalizer, and entropy if asked for
      results[row * wide] = statistics[from] as number;
      if (softmax.entropy) results[row * wide + 1] = statistics[from + 2] as number;
    }
  }
  return results;
}
