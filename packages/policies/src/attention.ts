import * as tf from '@tensorflow/tfjs-core';
import { type AttentionTables, attentionTables } from './attention-tables.js';
import type { LlamaConfig } from './llama-config.js';
import { attend } from './llama-ops.js';

export interface AttentionWeights {
  readonly query: tf.Tensor2D;
  readonly key: tf.Tensor2D;
  readonly value: tf.Tensor2D;
}

/**
 * Causal grouped-query attention with rotary positions, before the output projection: [B·S, H] to [B·S, heads·d].
 *
 * Queries, keys and values are projected, rotated and brought into head order together: fewer and larger operations.
 * Query heads that share a key head are stacked into one product, so keys and values are never repeated.
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
  const tables = attentionTables(config, length);
  const perRow = length * headSize;

  const projected: tf.Tensor2D = tf.reshape(tf.matMul(x, tf.concat([query, key, value]), false, true), [
    batch,
    all * perRow,
  ]);
  const rotated = rotate(projected, tables, headSize, {
    cos: tf.tensor2d(tables.cos, [1, all * perRow]),
    sin: tf.tensor2d(tables.sin, [1, all * perRow]),
  });
  const byHead = tf.transpose(tf.reshape(rotated, [batch, length, all, headSize]), [0, 2, 1, 3]);
  const [q, k, v] = tf.split(
    tf.reshape(byHead, [batch, all * perRow]),
    [heads * perRow, keyValueHeads * perRow, keyValueHeads * perRow],
    1,
  ) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];

  const mixed = attend(
    tf.reshape(q, [batch * keyValueHeads, group * length, headSize]),
    tf.reshape(k, [batch * keyValueHeads, length, headSize]),
    tf.reshape(v, [batch * keyValueHeads, length, headSize]),
    tf.tile(tf.tensor3d(tables.causal, [1, length, length]), [1, group, 1]),
  );
  const byToken = tf.transpose(tf.reshape(mixed, [batch, heads, length, headSize]), [0, 2, 1, 3]);
  return tf.reshape(byToken, [batch * length, heads * headSize]);
}

/**
 * The same for one query a row, at `positions` [B]: [B, heads·d]. `x` [B·S, H] gives keys and values, `at` [B, H] is
 * `x` at the positions.
 */
export function attentionAt(
  x: tf.Tensor2D,
  at: tf.Tensor2D,
  positions: tf.Tensor1D,
  length: number,
  config: LlamaConfig,
  { query, key, value }: AttentionWeights,
): tf.Tensor2D {
  const { heads, keyValueHeads, headSize } = config;
  const batch = at.shape[0];
  const all = heads + 2 * keyValueHeads;
  const width = 2 * keyValueHeads * headSize;
  const tables = attentionTables(config, length);
  // Of the tables [S, heads + 2 keyValueHeads, d], the queries stand first.
  const split = (table: Float32Array): [tf.Tensor2D, tf.Tensor2D] =>
    tf.split(tf.tensor2d(table, [length, all * headSize]), [heads * headSize, width], 1) as [tf.Tensor2D, tf.Tensor2D];
  const [queryCos, keyCos] = split(tables.cos);
  const [querySin, keySin] = split(tables.sin);

  const q = rotate(tf.matMul(at, query, false, true), tables, headSize, {
    cos: tf.gather(queryCos, positions),
    sin: tf.gather(querySin, positions),
  });
  const projected = tf.matMul(x, tf.concat([key, value]), false, true);
  const keysAndValues = rotate(tf.reshape(projected, [batch, length * width]), tables, headSize, {
    cos: tf.reshape(keyCos, [1, length * width]),
    sin: tf.reshape(keySin, [1, length * width]),
  });
  const byHead = tf.transpose(tf.reshape(keysAndValues, [batch, length, 2 * keyValueHeads, headSize]), [0, 2, 1, 3]);
  const [k, v] = tf.split(tf.reshape(byHead, [batch, length * width]), 2, 1) as [tf.Tensor2D, tf.Tensor2D];

  const visible = tf.gather(tf.tensor2d(tables.causal, [length, length]), positions);
  const mixed = attend(
    tf.reshape(q, [batch * keyValueHeads, heads / keyValueHeads, headSize]),
    tf.reshape(k, [batch * keyValueHeads, length, headSize]),
    tf.reshape(v, [batch * keyValueHeads, length, headSize]),
    tf.reshape(tf.tile(visible, [1, keyValueHeads]), [batch * keyValueHeads, 1, length]),
  );
  return tf.reshape(mixed, [batch, heads * headSize]);
}

/** Rotary positions as a product with a constant matrix: x·cos + (x R)·sin, with R = "rotate_half" of one head. */
function rotate(
  x: tf.Tensor2D,
  { rotateHalf }: AttentionTables,
  headSize: number,
  { cos, sin }: { cos: tf.Tensor2D; sin: tf.Tensor2D },
): tf.Tensor2D {
  const heads = tf.reshape<tf.Rank.R2>(x, [x.size / headSize, headSize]);
  const turned = tf.matMul(heads, tf.tensor2d(rotateHalf, [headSize, headSize]));
  return tf.add(tf.mul(x, cos), tf.mul(tf.reshape(turned, x.shape), sin));
}
