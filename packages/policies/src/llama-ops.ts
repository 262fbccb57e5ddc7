import * as tf from '@tensorflow/tfjs-core';
import { withGradient } from './with-gradient.js';

/**
 * Root-mean-square normalisation of rows, [N, H]:
 *
 *   y = w · n,   n = r x,   r = 1 / sqrt(mean(x²) + ε)
 *   dw = Σ over rows of dy · n,   dx = r (g − n mean(g n)) with g = w dy
 *
 * @see Zhang and Sennrich 2019, arXiv:1910.07467
 */
export function rmsNorm(x: tf.Tensor2D, weight: tf.Tensor1D, epsilon: number): tf.Tensor2D {
  return withGradient(
    [x, weight],
    () => {
      const r = tf.rsqrt(tf.add(tf.mean(tf.square(x), 1, true), epsilon));
      const n: tf.Tensor2D = tf.mul(x, r);
      return { value: tf.mul<tf.Tensor2D>(n, weight), saved: [n, r, weight] };
    },
    (dy, saved) => {
      const [n, r, w] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
      const g = tf.mul(dy, w);
      const dx = tf.mul(r, tf.sub(g, tf.mul(n, tf.mean(tf.mul(g, n), 1, true))));
      return [dx, tf.sum(tf.mul(dy, n), 0)];
    },
  );
}

/**
 * silu(g) · u with silu(x) = x σ(x), elementwise over gate g and up u.
 *
 *   dg = dy u (σ + silu(g) (1 − σ)),   du = dy silu(g)
 *
 * @see Shazeer 2020, arXiv:2002.05202
 */
export function swiglu(gate: tf.Tensor2D, up: tf.Tensor2D): tf.Tensor2D {
  return withGradient(
    [gate, up],
    () => ({ value: tf.mul<tf.Tensor2D>(tf.mul(gate, tf.sigmoid(gate)), up), saved: [gate, up] }),
    (dy, saved) => {
      const [g, u] = saved as [tf.Tensor, tf.Tensor];
      const sigma = tf.sigmoid(g);
      const silu = tf.mul(g, sigma);
      const slope = tf.add(sigma, tf.mul(silu, tf.sub(1, sigma)));
      return [tf.mul(tf.mul(dy, u), slope), tf.mul(dy, silu)];
    },
  );
}

/**
 * softmax(q kᵀ + mask) v for a batch of matrices; the scale is in q already, and `mask` is a constant.
 *
 *   dv = Pᵀ dy,   dS = P (dy vᵀ − rowsum(dy y)),   dq = dS k,   dk = dSᵀ q
 *
 * @see Dao et al. 2022, arXiv:2205.14135, appendix B.2, for rowsum(dy y) in the place of rowsum(P dP)
 */
export function attend(q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, mask: tf.Tensor3D): tf.Tensor3D {
  return withGradient(
    [q, k, v],
    () => {
      const shares = tf.softmax(tf.add<tf.Tensor3D>(tf.matMul(q, k, false, true), mask));
      const value: tf.Tensor3D = tf.matMul(shares, v);
      return { value, saved: [q, k, v, shares, value] };
    },
    (dy, saved) => {
      const [queries, keys, values, shares, y] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
      const change = tf.sub(tf.matMul(dy, values, false, true), tf.sum(tf.mul(dy, y), 2, true));
      const dScores = tf.mul(shares, change);
      return [tf.matMul(dScores, keys), tf.matMul(dScores, queries, true), tf.matMul(shares, dy, true)];
    },
  );
}
