import * as tf from '@tensorflow/tfjs-core';
import { maskedMean, type PerToken, stopGradient, zeroMasked } from '@tsrl/tensor';
import type { PolicyInputs } from './policy-inputs.js';

/**
 * How much a token adds to the covariance of advantage and log-prob over the batch, which is minus what a step of the
 * policy gradient takes from its entropy:
 *
 *   cov_t = (A_t − mean A) (logProbs_t − mean logProbs),  means over the mask
 *
 * Without gradient; 0 where nothing counts.
 */
export function tokenCovariance({ logProbs, advantages, mask }: Omit<PolicyInputs, 'oldLogProbs'>): PerToken {
  const centered = (x: PerToken): PerToken => {
    const values = zeroMasked(stopGradient(x), mask);
    return tf.sub<PerToken>(values, maskedMean(values, mask));
  };
  return zeroMasked(tf.mul<PerToken>(centered(advantages), centered(logProbs)), mask);
}

/**
 * Which of the candidates have one of the n = max(1, ⌊fraction · number of tokens⌋) smallest keys, as 0 and 1; all of
 * them where they are fewer, and ties with the last. The product is rounded up by 2⁻²², so that 0.7 · 10 is 7.
 */
export function smallest(keys: PerToken, candidates: tf.Tensor, mask: PerToken, fraction: number): PerToken {
  if (keys.size === 0) return tf.zerosLike(keys);
  const tokens = tf.sum(tf.cast(tf.greater(mask, 0), 'float32'));
  const number = tf.maximum(tf.floor(tf.mul(tokens, fraction * (1 + 2 ** -22))), 1);
  const negated = tf.where(candidates, tf.neg(keys), tf.fill(keys.shape, Number.NEGATIVE_INFINITY));
  const { values } = tf.topk(tf.reshape(negated, [-1]), keys.size);
  const last = tf.gather(values, tf.cast(tf.minimum(tf.sub(number, 1), keys.size - 1), 'int32'));
  return tf.cast(tf.logicalAnd(candidates, tf.greaterEqual(negated, last)), 'float32');
}
