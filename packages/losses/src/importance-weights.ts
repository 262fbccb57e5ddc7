import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { clampTo, expectSameShape, stopGradient } from '@tsrl/tensor';

/** Options of `importanceWeights`. */
export interface ImportanceWeightsOptions {
  /** Weights are no larger than this; positive, default 2. */
  readonly maxRatio?: number;
}

/**
 * Truncated importance weights of tokens that an older policy sampled, for `tokenWeighted`; constant:
 *
 *   min(exp(clamp(logProbs − oldLogProbs, ±20)), maxRatio)
 *
 * @throws OptionError unless `maxRatio` is positive, ShapeError
 * @see Ionides 2008, "Truncated importance sampling"; as in SDPO (arXiv:2601.20802) and its reference implementation
 */
export function importanceWeights<T extends tf.Tensor>(
  logProbs: T,
  oldLogProbs: T,
  { maxRatio = 2 }: ImportanceWeightsOptions = {},
): T {
  if (!(maxRatio > 0)) throw new OptionError('importanceWeights', 'maxRatio', 'positive', maxRatio);
  expectSameShape('importanceWeights', { logProbs, oldLogProbs });
  return tf.tidy(() => {
    const difference = clampTo(tf.sub(stopGradient(logProbs), stopGradient(oldLogProbs)), 20);
    return tf.minimum<T>(tf.exp<T>(difference as T), maxRatio);
  });
}
