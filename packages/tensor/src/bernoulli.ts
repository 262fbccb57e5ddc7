import * as tf from '@tensorflow/tfjs-core';
import { expectSameShape, expectShape } from './check.js';
import type { PerSequence, PerToken } from './types.js';
import { withGradient } from './with-gradient.js';

// Everything of a choice between 0 and 1 with log-odds z: π(1) = sigmoid(z). `tf.softplus` is accurate on the cpu and
// wasm backends over its whole range (measured: relative error 1e-7), `tf.log1p` is not (log1p(1e-8) = 0 on wasm).

/**
 * Log-probabilities of both classes, logits [B] → [B, 2]; column a holds log π(a):
 *
 *   log π(0) = −softplus(z),  log π(1) = −softplus(−z)
 *
 * @throws ShapeError unless the logits are float32 [B]
 */
export function bernoulliLogProbs(logits: PerSequence): PerToken {
  expectShape('bernoulliLogProbs', 'logits', logits, ['B']);
  return tf.tidy(() => tf.neg(tf.stack([tf.softplus(logits), tf.softplus(tf.neg(logits))], 1)) as PerToken);
}

/**
 * Entropy of each choice in nats:
 *
 *   H = softplus(z) − z sigmoid(z) = softplus(−|z|) + |z| sigmoid(−|z|)
 *
 * The second form adds two positive numbers, so that small entropies keep their digits. Gradient: −z π(0) π(1).
 *
 * @throws ShapeError unless the logits are float32
 */
export function bernoulliEntropy<T extends tf.Tensor>(logits: T): T {
  expectSameShape('bernoulliEntropy', { logits });
  return tf.tidy(() =>
    withGradient<T>(
      [logits],
      () => {
        // Beyond 120 the entropy is 0 in float32; the bound keeps ∞ · 0 away.
        const size = tf.minimum(tf.abs(logits), 120);
        const value = tf.add<T>(tf.softplus(tf.neg(size)), tf.mul(size, tf.sigmoid(tf.neg(size))));
        return { value, saved: [logits] };
      },
      (dy, [z]) => [tf.mul(dy, tf.neg(tf.mul(bounded(z as tf.Tensor), variance(z as tf.Tensor))))],
    ),
  );
}

/**
 * Kullback-Leibler divergence KL(π ‖ π_old) of two choices in nats, from their logits z and y (one shape):
 *
 *   p (log p − log q) + (1 − p) (log(1 − p) − log(1 − q)) = softplus(y) − softplus(z) − p (y − z),
 *   p = sigmoid(z), q = sigmoid(y)
 *
 * Never negative, 0 for equal logits. Computed for the less likely class under π, where nothing large cancels, and
 * by its series in y − z where the logits are close, so that the tiny divergences of one update keep their digits.
 * Gradients: p (1 − p) (z − y) in z, q − p in y.
 *
 * @throws ShapeError unless both are float32 and of one shape
 */
export function bernoulliKl<T extends tf.Tensor>(logits: T, oldLogits: T): T {
  expectSameShape('bernoulliKl', { logits, oldLogits });
  return tf.tidy(() =>
    withGradient<T>(
      [logits, oldLogits],
      () => ({ value: divergence(logits, oldLogits) as T, saved: [logits, oldLogits] }),
      (dy, saved) => {
        const [z, y] = saved as [tf.Tensor, tf.Tensor];
        const inLogits = tf.mul(variance(z), tf.sub(z, y));
        return [tf.mul(dy, inLogits), tf.mul(dy, tf.sub(tf.sigmoid(y), tf.sigmoid(z)))];
      },
    ),
  );
}

function divergence(z: tf.Tensor, y: tf.Tensor): tf.Tensor {
  // Swapping the classes of both changes nothing: afterwards z ≤ 0, so that p ≤ 1/2 and softplus(z) ≤ log 2.
  const swap = tf.where(tf.greater(z, 0), tf.scalar(-1), tf.scalar(1));
  const small = tf.neg(tf.abs(z));
  const old = tf.mul(y, swap);
  const step = tf.sub(old, small);
  const p = tf.sigmoid(small);
  const direct = tf.sub(tf.sub(tf.softplus(old), tf.softplus(small)), tf.mul(p, step));

  // Cumulants of a Bernoulli variable: v, v s, v (1 − 6v), v s (1 − 12v) with v = p (1 − p), s = 1 − 2p.
  const v = variance(z);
  const skew = tf.sub(1, tf.mul(p, 2));
  let series = tf.mul(tf.mul(skew, tf.sub(1, tf.mul(v, 12))), tf.div(step, 120));
  series = tf.mul(tf.add(series, tf.div(tf.sub(1, tf.mul(v, 6)), 24)), step);
  series = tf.mul(tf.add(series, tf.div(skew, 6)), step);
  series = tf.mul(tf.mul(tf.add(series, 0.5), v), tf.square(step));
  return tf.where(tf.less(tf.abs(step), 0.1), series, tf.maximum(direct, 0));
}

/** p (1 − p), symmetric in z and without cancellation. */
const variance = (z: tf.Tensor): tf.Tensor => tf.mul(tf.sigmoid(z), tf.sigmoid(tf.neg(z)));

/** z with its infinities made finite: they meet a factor 0. */
const bounded = (z: tf.Tensor): tf.Tensor => tf.minimum(tf.maximum(z, -1e30), 1e30);
