import * as tf from '@tensorflow/tfjs-core';
import { withGradient } from '@tsrl/tensor';

export interface BidirectionalSizes {
  readonly batch: number;
  /** S, the tokens of each row of the batch, padding included. */
  readonly length: number;
  readonly heads: number;
}

/**
 * Attention of every token to every real token of its row:
 *
 *   out_i = Σ_j p_ij v_j,   p_i = softmax over j < lengths of q_i · k_j / √d
 *
 *   dv = Pᵀ dout,   dS = P (dout vᵀ − rowsum(dout out)),   dq = dS k / √d,   dk = dSᵀ q / √d
 *
 * Padding is a finite −1e9 on its scores, whose shares are then exactly 0, and never −∞, whose difference with itself
 * is NaN. Scores [B, heads, S, S] are held, and kept for the gradient.
 *
 * @param qkv     float32 [B · S, 3 heads · d]: of each token its query, its key, its value
 * @param padding float32 [B, 1, 1, S]: 0 at a token, −1e9 at padding
 * @returns float32 [B · S, heads · d]; what stands at the padding is finite and meaningless
 * @see Vaswani et al. 2017, arXiv:1706.03762, section 3.2
 */
export function bidirectionalAttention(
  qkv: tf.Tensor2D,
  padding: tf.Tensor,
  { batch, length, heads }: BidirectionalSizes,
): tf.Tensor2D {
  const width = qkv.shape[1] / 3;
  const size = width / heads;
  const byHead = (x: tf.Tensor): tf.Tensor => tf.transpose(tf.reshape(x, [batch, length, heads, size]), [0, 2, 1, 3]);
  const byToken = (x: tf.Tensor): tf.Tensor2D => tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch * length, width]);
  const scale = 1 / Math.sqrt(size);

  return tf.tidy(() =>
    withGradient<tf.Tensor2D>(
      [qkv],
      () => {
        const [query, key, value] = tf.split(qkv, 3, 1) as [tf.Tensor, tf.Tensor, tf.Tensor];
        const [q, k, v] = [byHead(tf.mul(query, scale)), byHead(key), byHead(value)];
        const shares = tf.softmax(tf.add(tf.matMul(q, k, false, true), padding));
        const out = tf.matMul(shares, v);
        return { value: byToken(out), saved: [q, k, v, shares, out] };
      },
      (dy, saved) => {
        const [q, k, v, shares, out] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        const d = byHead(dy);
        const mean = tf.sum(tf.mul(d, out), -1, true);
        const dScores = tf.mul(shares, tf.sub(tf.matMul(d, v, false, true), mean));
        // The scale stands in q already.
        const dq = byToken(tf.mul(tf.matMul(dScores, k), scale));
        const dk = byToken(tf.matMul(dScores, q, true));
        const dv = byToken(tf.matMul(shares, d, true));
        return [tf.concat([dq, dk, dv], 1)];
      },
    ),
  );
}
