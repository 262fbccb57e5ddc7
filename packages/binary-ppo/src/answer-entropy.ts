import * as tf from '@tensorflow/tfjs-core';
import type { Loss } from '@tsrl/tensor';
import { type Answers, answerEntropy } from './answers.js';

/**
 * Minus the entropy of the policy over its two actions, or three, mean over the examples: −(1/N) Σ_i H(π(x_i)), N = B, or
 * `context.sequences`. Metric: `entropy`, the mean over this batch.
 */
export const answerEntropyBonus: Loss<Answers> = (answers, { sequences } = {}) =>
  tf.tidy(() => {
    const size = Math.max(answers.logits.size, 1);
    const total = tf.sum<tf.Scalar>(answerEntropy(answers));
    return {
      loss: tf.mul<tf.Scalar>(total, -1 / (sequences ?? size)),
      metrics: { entropy: tf.mul<tf.Scalar>(total, 1 / size) },
    };
  });
