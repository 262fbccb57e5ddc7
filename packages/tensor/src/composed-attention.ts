import * as tf from '@tensorflow/tfjs-core';
import { futureOf } from './causal-softmax.js';
import { type Angles, anglesOf, turned } from './rotary.js';

/** What attention is computed from, as the kernels get it. */
export interface Composed {
  /** [B · Q, heads · d] */
  readonly q: tf.Tensor;
  /** [B · S, 2 keyValueHeads · d] */
  readonly kv: tf.Tensor;
  /** int32 [B, Q], or [1, Q] where they are those of every row. */
  readonly positions: tf.Tensor;
}

export interface Sizes {
  readonly batch: number;
  readonly queries: number;
  readonly length: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly theta: number | undefined;
}

/** What the gradient needs again: q [B, keyValueHeads, group · Q, d], k and v [B, keyValueHeads, S, d], and the shares. */
export type Attended = readonly [q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, shares: tf.Tensor];

/** Attention by operations, for backends without the kernel: [B · Q, heads · d]. */
export function composedAttention(operands: Composed, sizes: Sizes): { out: tf.Tensor; attended: Attended } {
  const attended = sharesOf(operands, sizes);
  const [, , v, shares] = attended;
  return { out: byToken(tf.matMul(shares, v), sizes), attended };
}

/** d/dq and d/dkv. */
export function composedGradient(
  [q, k, v, shares]: Attended,
  positions: tf.Tensor,
  out: tf.Tensor,
  dy: tf.Tensor,
  sizes: Sizes,
): tf.Tensor[] {
  const { batch, length, keyValueHeads, headSize } = sizes;
  const { queryAngles, keyAngles } = angles(positions, sizes);
  const d = byHead(dy, sizes);
  const mean = byHead(tf.mul(dy, out), sizes);
  const change = tf.sub(tf.matMul(d, v, false, true), tf.sum(mean, -1, true));
  const dScores = tf.mul(shares, change);
  // The scale 1 / √d stands in q.
  const dq = back(byToken(tf.mul(tf.matMul(dScores, k), 1 / Math.sqrt(headSize)), sizes), queryAngles, sizes);
  const perToken = (x: tf.Tensor): tf.Tensor => tf.transpose(x, [0, 2, 1, 3]);
  const dk = perToken(tf.matMul(dScores, q, true));
  const dv = perToken(tf.matMul(shares, d, true));
  const dKeys = keyAngles ? turned(dk, keyAngles, true) : dk;
  const narrow = [batch * length, keyValueHeads * headSize];
  return [dq, tf.concat([tf.reshape(dKeys, narrow), tf.reshape(dv, narrow)], 1)];
}

/** Queries that share a key head are stacked into one product, so keys and values are never repeated. */
function sharesOf({ q, kv, positions }: Composed, sizes: Sizes): Attended {
  const { batch, queries, length, heads, keyValueHeads, headSize } = sizes;
  const { queryAngles, keyAngles } = angles(positions, sizes);
  const [k, v] = tf
    .split(tf.reshape(kv, [batch, length, 2, keyValueHeads, headSize]), 2, 2)
    .map((x) => tf.reshape(x, [batch, length, keyValueHeads, headSize])) as [tf.Tensor, tf.Tensor];
  const scaled = tf.mul(tf.reshape(q, [batch, queries, heads, headSize]), 1 / Math.sqrt(headSize));
  const turnedQ = byHead(queryAngles ? turned(scaled, queryAngles, false) : scaled, sizes);
  const turnedK = tf.transpose(keyAngles ? turned(k, keyAngles, false) : k, [0, 2, 1, 3]);
  const scores = tf.matMul(turnedQ, turnedK, false, true);
  // [B or 1, 1, Q, S], for every head of a group.
  const future = tf.expandDims(futureOf(positions, length), 1);
  const hidden = tf.tile(tf.mul(tf.cast(future, 'float32'), -1e9), [1, 1, heads / keyValueHeads, 1]);
  const shares = tf.softmax(tf.add(scores, hidden));
  return [turnedQ, turnedK, tf.transpose(v, [0, 2, 1, 3]), shares];
}

function angles(
  positions: tf.Tensor,
  { theta, headSize, length }: Sizes,
): { queryAngles?: Angles; keyAngles?: Angles } {
  if (theta === undefined) return {};
  const keyAngles = anglesOf(theta, headSize, length);
  return { keyAngles, queryAngles: { cos: at(keyAngles.cos, positions), sin: at(keyAngles.sin, positions) } };
}

/** Rows of a table [S, 1, d / 2] for positions [B, Q]: [B, Q, 1, d / 2]. */
function at(table: tf.Tensor, positions: tf.Tensor): tf.Tensor {
  return tf.gather(table, positions);
}

/** [B · Q, heads · d] to [B, keyValueHeads, group · Q, d]. */
function byHead(x: tf.Tensor, { batch, queries, heads, keyValueHeads, headSize }: Sizes): tf.Tensor {
  const split = tf.transpose(tf.reshape(x, [batch, queries, heads, headSize]), [0, 2, 1, 3]);
  return tf.reshape(split, [batch, keyValueHeads, (heads / keyValueHeads) * queries, headSize]);
}

function byToken(x: tf.Tensor, { batch, queries, heads, headSize }: Sizes): tf.Tensor {
  const split = tf.transpose(tf.reshape(x, [batch, heads, queries, headSize]), [0, 2, 1, 3]);
  return tf.reshape(split, [batch * queries, heads * headSize]);
}

function back(x: tf.Tensor, angles: Angles | undefined, { batch, queries, heads, headSize }: Sizes): tf.Tensor {
  if (angles === undefined) return x;
  return tf.reshape(turned(tf.reshape(x, [batch, queries, heads, headSize]), angles, true), x.shape);
}
