import * as tf from '@tensorflow/tfjs-core';
import type { LlamaConfig } from './llama-config.js';

interface AttentionWeights {
  readonly query: tf.Tensor2D;
  readonly key: tf.Tensor2D;
  readonly value: tf.Tensor2D;
}

/**
 * Causal grouped-query attention with rotary positions, before the output projection: [B·S, H] to [B·S, heads·d].
 *
 * Queries, keys and values are projected, rotated and brought into head order together: fewer and larger operations.
 * Rotation is a product with a constant matrix, x·cos + (x R)·sin, with R the signed permutation "rotate_half" of one
 * head; values get cos = 1, sin = 0, and 1/√d stands in the tables of the queries. Query heads that share a key head
 * are stacked into one product, so keys and values are never repeated.
 */
export function attention(
  x: tf.Tensor2D,
  batch: number,
  length: number,
  config: LlamaConfig,
  { query, key, value }: AttentionWeights,
): tf.Tensor2D {
  const { heads, keyValueHeads, headSize } = config;
  const group = heads / keyValueHeads;
  const all = heads + 2 * keyValueHeads;
  const tables = hostTables(config, length);

  const projected = tf.matMul(x, tf.concat([query, key, value]), false, true);
  const turned = tf.matMul(
    tf.reshape<tf.Rank.R2>(projected, [batch * length * all, headSize]),
    tf.tensor2d(tables.rotateHalf, [headSize, headSize]),
  );
  const rows: [number, number] = [batch, length * all * headSize];
  const rotated = tf.add(
    tf.mul(tf.reshape(projected, rows), tf.tensor2d(tables.cos, [1, rows[1]])),
    tf.mul(tf.reshape(turned, rows), tf.tensor2d(tables.sin, [1, rows[1]])),
  );
  const byHead = tf.transpose(tf.reshape(rotated, [batch, length, all, headSize]), [0, 2, 1, 3]);
  const [q, k, v] = tf.split(byHead, [heads, keyValueHeads, keyValueHeads], 1) as [tf.Tensor, tf.Tensor, tf.Tensor];

  const perGroup = [batch * keyValueHeads, group * length, headSize];
  const perKey = [batch * keyValueHeads, length, headSize];
  const scores = tf.matMul(tf.reshape(q, perGroup), tf.reshape(k, perKey), false, true);
  const causal = tf.tensor3d(tables.causal, [1, group * length, length]);
  const mixed = tf.matMul(tf.softmax(tf.add(scores, causal)), tf.reshape(v, perKey));
  const byToken = tf.transpose(tf.reshape(mixed, [batch, heads, length, headSize]), [0, 2, 1, 3]);
  return tf.reshape(byToken, [batch * length, heads * headSize]);
}

interface HostTables {
  /** [S, heads + 2 keyValueHeads, d], row-major: the angle of position s and pair i is s · θ^(−2i/d). */
  readonly cos: Float32Array;
  readonly sin: Float32Array;
  /** [d, d] with (x R) = (−second half, first half). */
  readonly rotateHalf: Float32Array;
  /** [group · S, S]: 0 where a position may look, a large negative number in its future. */
  readonly causal: Float32Array;
}

/** Constants by configuration and length: kept on the host, because a cached tensor would belong to nobody. */
const cache = new WeakMap<LlamaConfig, Map<number, HostTables>>();

function hostTables(config: LlamaConfig, length: number): HostTables {
  const byLength = cache.get(config) ?? new Map<number, HostTables>();
  cache.set(config, byLength);
  const tables = byLength.get(length) ?? buildTables(config, length);
  byLength.set(length, tables);
  return tables;
}

function buildTables({ heads, keyValueHeads, headSize, ropeTheta }: LlamaConfig, length: number): HostTables {
  const half = headSize / 2;
  const all = heads + 2 * keyValueHeads;
  const cos = new Float32Array(length * all * headSize);
  const sin = new Float32Array(cos.length);
  let at = 0;
  for (let position = 0; position < length; position++) {
    for (let head = 0; head < all; head++) {
      const scale = head < heads ? 1 / Math.sqrt(headSize) : 1;
      const turns = head < heads + keyValueHeads;
      for (let i = 0; i < headSize; i++, at++) {
        const angle = turns ? position * ropeTheta ** (-(i % half) / half) : 0;
        cos[at] = scale * Math.cos(angle);
        sin[at] = scale * Math.sin(angle);
      }
    }
  }
  const rotateHalf = new Float32Array(headSize * headSize);
  for (let i = 0; i < half; i++) {
    rotateHalf[(i + half) * headSize + i] = -1;
    rotateHalf[i * headSize + i + half] = 1;
  }
  const causal = new Float32Array((heads / keyValueHeads) * length * length);
  for (let i = 0; i < causal.length; i++) {
    const from = Math.floor(i / length) % length;
    if (i % length > from) causal[i] = -1e9;
  }
  return { cos, sin, rotateHalf, causal };
}
