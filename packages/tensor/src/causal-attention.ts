import * as tf from '@tensorflow/tfjs-core';
import { OptionError, ShapeError } from '@tsrl/core';
import { expectShape } from './check.js';
import { type Attended, composedAttention, composedGradient } from './composed-attention.js';
import { fused } from './fused.js';
import { expectTheta, type RotaryOptions } from './rotary.js';
import { withGradient } from './with-gradient.js';

export interface AttentionOptions {
  /** Query heads. */
  readonly heads: number;
  /** Heads of keys and values; `heads / keyValueHeads` query heads in a row share one. Default `heads`. */
  readonly keyValueHeads?: number;
  /** Turns queries and keys by their positions, as `rotary` does; without it they stay. */
  readonly rotary?: RotaryOptions;
}

export interface CausalAttentionOptions extends AttentionOptions {
  /** S, the tokens of each row of the batch. */
  readonly length: number;
}

/**
 * Causal attention of grouped queries over a packed projection:
 *
 *   out_i = Σ_{j ≤ i} p_ij v_j,   p_i = softmax over j ≤ i of q_i · k_j / √d
 *
 *   dv = Pᵀ dout,   dS = P (dout vᵀ − rowsum(dout out)),   dq = dS k / √d,   dk = dSᵀ q / √d
 *
 * Where the kernel is there, heads are read where they lie and scores exist for 64 queries of one head at a time; the
 * gradient keeps qkv, out and two numbers a query and head, and computes the scores again. Elsewhere [B, heads, S, S]
 * is kept for the gradient.
 *
 * Rows padded on the right need no mask: no token sees what comes after it, not even where that is NaN (with the kernel).
 *
 * @param qkv float32 [B · S, (heads + 2 keyValueHeads) · d]: of each token the heads of the query, of the key, of the value
 * @returns float32 [B · S, heads · d]
 * @throws ShapeError, OptionError
 * @see Ainslie et al. 2023, arXiv:2305.13245; Dao et al. 2022, arXiv:2205.14135, appendix B
 */
export function causalAttention(qkv: tf.Tensor2D, options: CausalAttentionOptions): tf.Tensor2D {
  const who = 'causalAttention';
  const { length, heads, keyValueHeads, theta } = checked(who, options);
  if (!Number.isInteger(length) || length < 1) throw new OptionError(who, 'length', 'an integer, at least 1', length);
  expectShape(who, 'qkv', qkv, ['B · S', '(heads + 2 keyValueHeads) · d']);
  const [rows, width] = qkv.shape;
  const headSize = sizeOfHead(who, 'qkv', width, heads + 2 * keyValueHeads, theta);
  if (rows % length !== 0) {
    throw new ShapeError(who, 'qkv', `float32 [B · ${length}, ${width}]`, `float32 [${rows}, ${width}]`);
  }
  const batch = rows / length;
  const attrs = { batch, queries: length, length, heads, keyValueHeads, headSize, theta };
  const parts = [heads * headSize, 2 * keyValueHeads * headSize];
  const positions = (): tf.Tensor => tf.expandDims(tf.range(0, length, 1, 'int32'), 0);
  let byKernel = false; // what is saved for the gradient differs
  return tf.tidy(() =>
    withGradient<tf.Tensor2D>(
      [qkv],
      () => {
        const results = fused('TsrlCausalAttention', { qkv }, attrs);
        byKernel = results !== undefined;
        if (results) {
          const [out, stats] = results as [tf.Tensor2D, tf.Tensor];
          return { value: out, saved: [qkv, out, stats] };
        }
        const [q, kv] = tf.split(qkv, parts, 1) as [tf.Tensor, tf.Tensor];
        const { out, attended } = composedAttention({ q, kv, positions: positions() }, attrs);
        return { value: out as tf.Tensor2D, saved: [out, ...attended] };
      },
      (dy, saved) => {
        if (byKernel) {
          const [qkv, out, stats] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
          return [...(fused('TsrlCausalAttentionGradient', { qkv, out, stats, dy }, attrs) as tf.Tensor[])];
        }
        const [out, ...attended] = saved as [tf.Tensor, ...Attended];
        return [tf.concat(composedGradient(attended, positions(), out, dy, attrs), 1)];
      },
    ),
  );
}

/**
 * The same for one query a row, as for the last token: the query of row b stands at positions[b] and sees the keys
 * 0 to positions[b].
 *
 * @param q         float32 [B, heads · d]
 * @param kv        float32 [B · S, 2 keyValueHeads · d]: of each token the heads of the key, of the value
 * @param positions int32 [B], each in [0, S): otherwise the output is NaN, without gradient, or composed operations throw
 * @returns float32 [B, heads · d]
 * @throws ShapeError, OptionError
 */
export function attentionAt(
  q: tf.Tensor2D,
  kv: tf.Tensor2D,
  positions: tf.Tensor1D,
  options: AttentionOptions,
): tf.Tensor2D {
  const who = 'attentionAt';
  const { heads, keyValueHeads, theta } = checked(who, options);
  expectShape(who, 'q', q, ['B', 'heads · d']);
  const [batch, width] = q.shape;
  const headSize = sizeOfHead(who, 'q', width, heads, theta);
  expectShape(who, 'kv', kv, ['B · S', 2 * keyValueHeads * headSize]);
  expectShape(who, 'positions', positions, [batch], 'int32');
  const length = kv.shape[0] / batch;
  if (!Number.isInteger(length) || length < 1) {
    throw new ShapeError(who, 'kv', `float32 [${batch} · S, ${kv.shape[1]}]`, `float32 [${kv.shape.join(', ')}]`);
  }
  const attrs = { batch, queries: 1, length, heads, keyValueHeads, headSize, theta };
  let byKernel = false; // what is saved for the gradient differs
  return tf.tidy(() =>
    withGradient<tf.Tensor2D>(
      [q, kv],
      () => {
        const results = fused('TsrlAttentionAt', { q, kv, positions }, attrs);
        byKernel = results !== undefined;
        if (results) {
          const [out, stats] = results as [tf.Tensor2D, tf.Tensor];
          return { value: out, saved: [q, kv, positions, out, stats] };
        }
        const places = tf.expandDims(positions, 1);
        const { out, attended } = composedAttention({ q, kv, positions: places }, attrs);
        return { value: out as tf.Tensor2D, saved: [places, out, ...attended] };
      },
      (dy, saved) => {
        if (byKernel) {
          const [q, kv, positions, out, stats] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
          return [...(fused('TsrlAttentionAtGradient', { q, kv, positions, out, stats, dy }, attrs) as tf.Tensor[])];
        }
        const [places, out, ...attended] = saved as [tf.Tensor, tf.Tensor, ...Attended];
        return composedGradient(attended, places, out, dy, attrs);
      },
    ),
  );
}

function checked<O extends AttentionOptions>(who: string, options: O) {
  const { heads, keyValueHeads = heads, rotary } = options;
  if (!Number.isInteger(heads) || heads < 1) throw new OptionError(who, 'heads', 'an integer, at least 1', heads);
  if (!Number.isInteger(keyValueHeads) || keyValueHeads < 1 || heads % keyValueHeads !== 0) {
    throw new OptionError(who, 'keyValueHeads', `a divisor of heads, ${heads}`, keyValueHeads);
  }
  const theta = rotary && (rotary.theta ?? 10_000);
  if (theta !== undefined) expectTheta(who, theta);
  return { ...options, keyValueHeads, theta };
}

function sizeOfHead(who: string, name: string, width: number, heads: number, theta: number | undefined): number {
  const size = width / heads;
  if (Number.isInteger(size) && size >= 1 && (theta === undefined || size % 2 === 0)) return size;
  const kind = theta === undefined ? 'd' : 'd, d even';
  throw new ShapeError(who, name, `of width ${heads} · ${kind}`, `width ${width}`);
}
