import { OptionError } from '@tsrl/core';
import { instantiateLinearTokenGradients } from '../linear-token-gradients.js';
import type { TokenSlopes } from '../softmax.js';
import { onPrivateHeap } from './heap.js';
import { expectNumbers, pass } from './pass.js';

/** Tokens behind an output projection, and the slopes of their loss. */
export interface LinearTokenGradientArrays {
  /** [R, H] */
  readonly hidden: Float32Array;
  /** [V, H] */
  readonly weight: Float32Array;
  /** [R] */
  readonly ids: Int32Array;
  /** [R, C], for `slopes`. */
  readonly columns: Float32Array;
  readonly slopes: TokenSlopes;
  /** H, a positive integer. */
  readonly inner: number;
  /** τ > 0; 1. */
  readonly temperature?: number;
  /** An id that asks for nothing; −100. */
  readonly ignoreId?: number;
  /** Whether `slopes` reads or differentiates the entropy; false. */
  readonly entropy?: boolean;
}

const family = onPrivateHeap(instantiateLinearTokenGradients);

/**
 * `tokenGradients` of logits = hidden · weightᵀ, chunk by chunk: log-prob (and entropy) of each token, [R, 1 (+ 1)], and
 * the gradients in both factors. The logits are never held together.
 *
 * @throws ShapeError, OptionError unless `inner` and the temperature are positive, BackendError without SIMD WebAssembly
 */
export function linearTokenGradients(
  options: LinearTokenGradientArrays,
): Record<'statistics' | 'hiddenGradient' | 'weightGradient', Float32Array> {
  const { hidden, weight, ids, columns, slopes, inner } = options;
  const { temperature = 1, ignoreId = -100, entropy = false } = options;
  const who = 'linearTokenGradients';
  if (!(Number.isInteger(inner) && inner > 0)) throw new OptionError(who, 'inner', 'a positive integer', inner);
  if (!(temperature > 0 && temperature < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'temperature', 'positive and finite', temperature);
  }
  if ((ignoreId | 0) !== ignoreId) throw new OptionError(who, 'ignoreId', 'an int32', ignoreId);
  const rows = ids.length;
  const size = Math.floor(weight.length / inner);
  const width = rows === 0 ? 0 : Math.floor(columns.length / rows);
  expectNumbers(who, 'hidden', hidden, rows * inner);
  expectNumbers(who, 'weight', weight, size * inner);
  expectNumbers(who, 'columns', columns, rows * width);
  const outputs = rows * (entropy ? 2 : 1);
  const run = family();
  const results = pass(
    [hidden, weight, ids, columns],
    [outputs, hidden.length, weight.length],
    (
      [hiddenAt = 0, weightAt = 0, idsAt = 0, columnsAt = 0],
      [statistics = 0, hiddenGradient = 0, weightGradient = 0],
    ) =>
      run({
        ...{ temperature, ignoreId, entropy, slopes, rows, inner, size, width },
        ...{ hidden: hiddenAt, weight: weightAt, ids: idsAt, columns: columnsAt },
        ...{ statistics, hiddenGradient, weightGradient },
      }),
  );
  const [statistics, hiddenGradient, weightGradient] = results as [Float32Array, Float32Array, Float32Array];
  return { statistics, hiddenGradient, weightGradient };
}
