import { OptionError, ShapeError } from '@tsrl/core';
import { type AttentionSizes, instantiateAttention } from '../attention.js';
import { onPrivateHeap } from './heap.js';
import { expectNumbers, expectSizes, pass } from './pass.js';

const attention = onPrivateHeap(instantiateAttention);

export interface CausalAttentionArrays extends Omit<AttentionSizes, 'queries'> {
  /** [batch, length, heads + 2 keyValueHeads, headSize]: of each token the queries, the keys, the values. */
  readonly qkv: Float32Array;
}

export interface CausalAttentionResults {
  /** [batch, length, heads, headSize] */
  readonly out: Float32Array;
  /** [batch, length, heads, 2]: the largest score of a query, and 1 / Σ exp(score − largest). */
  readonly stats: Float32Array;
}

/**
 * softmax(q kᵀ / √headSize) v, where token i sees the tokens 0 to i; see `instantiateAttention`.
 *
 * @throws ShapeError, OptionError, BackendError without SIMD WebAssembly
 */
export function causalAttention({ qkv, ...rest }: CausalAttentionArrays): CausalAttentionResults {
  const { sizes, strides, wide, queries } = checked('causalAttention', qkv, rest);
  const [out, stats] = pass([qkv], [queries * wide, 2 * queries * sizes.heads], (from, to) => {
    const [q] = from as [number];
    const [out, stats] = to as [number, number];
    attention().forward({ q, kv: q + 4 * wide, ...strides, out, stats }, sizes);
  }) as [Float32Array, Float32Array];
  return { out, stats };
}

/**
 * d loss / d qkv from dy = d loss / d out and what {@link causalAttention} gave.
 *
 * @throws ShapeError, OptionError, BackendError without SIMD WebAssembly
 */
export function causalAttentionGradient(
  options: CausalAttentionArrays & CausalAttentionResults & { readonly dy: Float32Array },
): Float32Array {
  const who = 'causalAttentionGradient';
  const { qkv, out, stats, dy, ...rest } = options;
  const { sizes, strides, wide, queries } = checked(who, qkv, rest);
  expectNumbers(who, 'out', out, queries * wide);
  expectNumbers(who, 'stats', stats, 2 * queries * sizes.heads);
  expectNumbers(who, 'dy', dy, queries * wide);
  const [dqkv] = pass([qkv, out, stats, dy], [qkv.length], (from, to) => {
    const [q, out, stats, dOut] = from as [number, number, number, number];
    const [dq] = to as [number];
    attention().backward({ q, kv: q + 4 * wide, ...strides, out, stats, dOut, dq, dkv: dq + 4 * wide }, sizes);
  }) as [Float32Array];
  return dqkv;
}

function checked(who: string, qkv: Float32Array, rest: Omit<AttentionSizes, 'queries'>) {
  const sizes: AttentionSizes = { ...rest, queries: rest.length };
  const { batch, length, heads, keyValueHeads, headSize, theta } = sizes;
  expectSizes(who, { batch, length, heads, keyValueHeads, headSize }, 1);
  if (heads % keyValueHeads !== 0) throw new OptionError(who, 'keyValueHeads', `a divisor of ${heads}`, keyValueHeads);
  if (theta !== undefined) {
    if (!(theta > 0 && theta < Infinity)) throw new OptionError(who, 'theta', 'positive', theta);
    if (headSize % 2 !== 0) throw new OptionError(who, 'headSize', 'even, to turn halves', headSize);
  }
  const wide = heads * headSize;
  const step = wide + 2 * keyValueHeads * headSize;
  if (qkv.length !== batch * length * step) {
    throw new ShapeError(
      who,
      'qkv',
      `[${batch}, ${length}, ${heads + 2 * keyValueHeads}, ${headSize}]`,
      `${qkv.length} numbers`,
    );
  }
  return { sizes, strides: { qStep: step, kvStep: step }, wide, queries: batch * length };
}
