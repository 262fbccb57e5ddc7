import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { expectSameShape, expectShape, type PerToken } from '@tsrl/tensor';

/** Options of `humanline`. */
export interface HumanlineOptions {
  /** Lower bound of log π/π_ref of a token, at most 0. */
  readonly logLow: number;
  /** Upper bound, at least 0. */
  readonly logHigh: number;
}

/**
 * Log-probs of tokens with log-ratios to the reference that stay within bounds, for any loss that sums them:
 *
 *   refLogProbs + min(max(logProbs − refLogProbs, logLow), logHigh), [B, T]
 *
 * Gradient 1 in logProbs where the log-ratio is within, 0 elsewhere: a token that moved far teaches nothing more.
 *
 * @throws OptionError unless logLow ≤ 0 ≤ logHigh, ShapeError
 * @see Liu et al. 2025, arXiv:2509.24207; HALOs' `humanline`
 */
export function humanline(logProbs: PerToken, refLogProbs: PerToken, { logLow, logHigh }: HumanlineOptions): PerToken {
  if (!(logLow <= 0)) throw new OptionError('humanline', 'logLow', 'at most 0', logLow);
  if (!(logHigh >= 0)) throw new OptionError('humanline', 'logHigh', 'at least 0', logHigh);
  expectShape('humanline', 'logProbs', logProbs, ['B', 'T']);
  expectSameShape('humanline', { logProbs, refLogProbs });
  return tf.tidy(() => {
    const ratio = tf.sub<PerToken>(logProbs, refLogProbs);
    // The tensor first: in the other order `tf.maximum` and `tf.minimum` lose a NaN on wasm.
    return tf.add<PerToken>(refLogProbs, tf.minimum(tf.maximum(ratio, logLow), logHigh));
  });
}
