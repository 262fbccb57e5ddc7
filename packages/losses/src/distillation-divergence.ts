import * as tf from '@tensorflow/tfjs-core';
import { withGradient } from '@tsrl/tensor';

/** What log 0 counts as. */
const NEVER = -1e4;

/**
 * The generalized Jensen-Shannon divergence of `distillation` between softmax(logits) and softmax(teacherLogits), [..., V]
 * twice → [...]. The teacher is constant. Where nothing flows back (dy = 0) the gradient is 0, whatever stands there.
 */
export function vocabularyDivergence(logits: tf.Tensor, teacherLogits: tf.Tensor, beta: number): tf.Tensor {
  /** What the student is compared with: the mixture, or the teacher for β = 1. */
  const targetOf = (logP: tf.Tensor, logQ: tf.Tensor): tf.Tensor =>
    beta === 1 ? logQ : logAdd(tf.add(logP, Math.log1p(-beta)), tf.add(logQ, Math.log(beta)));

  return withGradient(
    [logits],
    () => {
      const [logP, logQ] = [logSoftmax(logits), logSoftmax(teacherLogits)];
      if (beta === 0) return { value: kl(logQ, logP), saved: [logits, teacherLogits] };
      const target = targetOf(logP, logQ);
      const ofStudent = kl(logP, target);
      const value = beta === 1 ? ofStudent : tf.add(tf.mul(kl(logQ, target), beta), tf.mul(ofStudent, 1 - beta));
      return { value, saved: [logits, teacherLogits] };
    },
    (dy, [x, y]) => {
      const [logP, logQ] = [logSoftmax(x as tf.Tensor), logSoftmax(y as tf.Tensor)];
      const slope = beta === 0 ? tf.sub(tf.exp(logP), tf.exp(logQ)) : towards(logP, targetOf(logP, logQ));
      const share = beta === 0 || beta === 1 ? 1 : 1 - beta;
      const factor = tf.expandDims(tf.mul(dy, share), -1);
      return [tf.where(tf.notEqual(factor, 0), tf.mul(slope, factor), tf.zerosLike(slope))];
    },
  );
}

/** d KL(π ‖ M) / d logits, with what M changes by already in it: π (log π − log M − KL). */
function towards(logP: tf.Tensor, logM: tf.Tensor): tf.Tensor {
  const gap = tf.sub(logP, logM);
  const p = tf.exp(logP);
  return tf.mul(p, tf.sub(gap, tf.sum(tf.mul(p, gap), -1, true)));
}

const kl = (logP: tf.Tensor, logQ: tf.Tensor): tf.Tensor => tf.sum(tf.mul(tf.exp(logP), tf.sub(logP, logQ)), -1);

const logSoftmax = (logits: tf.Tensor): tf.Tensor => tf.maximum(tf.logSoftmax(logits), NEVER);

/** log(eᵃ + eᵇ) */
const logAdd = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
  tf.add(tf.maximum(a, b), tf.log1p(tf.exp(tf.neg(tf.abs(tf.sub(a, b))))));
