import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { expectSameShape, expectShape, type Loss, maskedMean, stopGradient } from '@tsrl/tensor';
import type { RatioInputs } from './policy-inputs.js';
import { tokenRatio } from './policy-ratio.js';

/** Options of `skipLargeRatio`. */
export interface SkipLargeRatioOptions {
  /** Batches with a larger mean ratio are left out. Positive; default 10. */
  readonly maxMeanRatio?: number;
}

/**
 * A loss that is multiplied by 0 where the policy has moved too far from the one that sampled:
 *
 *   loss · 1[mean of ρ over the mask ≤ maxMeanRatio],  ρ = exp(clamp(logProbs − oldLogProbs, ±20))
 *
 * The mean is that of the batch which the loss is called with: a part of a batch is judged by itself.
 *
 * Differences: none to segment-SPO's `ratio_threshold` (default 10), but for its clamp at ±10.
 *
 * Metrics: those of the loss, and `skipped`, 1 or 0.
 *
 * @throws OptionError when built, ShapeError when called, and what the loss throws
 * @see Guo et al. 2025, arXiv:2505.23564, in its code
 */
export function skipLargeRatio<Inputs extends RatioInputs>(
  loss: Loss<Inputs>,
  { maxMeanRatio = 10 }: SkipLargeRatioOptions = {},
): Loss<Inputs> {
  if (!(maxMeanRatio > 0)) throw new OptionError('skipLargeRatio', 'maxMeanRatio', 'positive', maxMeanRatio);
  return (inputs, context = {}) => {
    const { logProbs, oldLogProbs, mask } = inputs;
    expectShape('skipLargeRatio', 'logProbs', logProbs, ['B', 'T']);
    expectSameShape('skipLargeRatio', { logProbs, oldLogProbs, mask });
    return tf.tidy(() => {
      const mean = maskedMean(stopGradient(tokenRatio(inputs)), mask);
      const skipped = tf.cast<tf.Scalar>(tf.greater(mean, maxMeanRatio), 'float32');
      const { loss: value, metrics } = loss(inputs, context);
      return { loss: tf.mul<tf.Scalar>(value, tf.sub(1, skipped)), metrics: { ...metrics, skipped } };
    });
  };
}
