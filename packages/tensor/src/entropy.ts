import * as tf from '@tensorflow/tfjs-core';
import {
  expectLogits,
  logProbsOf,
  normalize,
  type TemperatureOptions,
  timesRows,
  type WithoutLast,
} from './log-probs-normalizer.js';
import { asRows, noIds, statisticsByKernel } from './softmax-statistics.js';
import { withGradient } from './with-gradient.js';

/**
 * Entropy of each distribution in nats, logits [..., V] → [...]:
 *
 *   H = log Z − Σ_v p_v (x_v − M) / τ,  Z = Σ_v exp((x_v − M) / τ),  p = softmax(x / τ)
 *
 * Gradient: −p_j (log p_j + H) / τ. Between 0 and log V. An entry of −∞ contributes 0 (a row
 * of nothing else has H = 0), where verl's and TRL's `entropy_from_logits` give NaN.
 *
 * @throws ShapeError unless the logits are float32 [..., V], OptionError unless the temperature is positive
 */
export function entropy<L extends tf.Tensor>(logits: L, { temperature = 1 }: TemperatureOptions = {}): WithoutLast<L> {
  expectLogits('entropy', logits, temperature);
  const value = tf.tidy(() => {
    const columns = [1, 1] as const;
    const byKernel = statisticsByKernel(asRows(logits), noIds(logits), { temperature, entropy: true, columns });
    if (byKernel !== undefined) return tf.reshape(byKernel, logits.shape.slice(0, -1));
    return withGradient(
      [logits],
      () => {
        const { top, scaled, logSum } = normalize(logits, temperature);
        const p = tf.exp(tf.sub(scaled, logSum));
        const value = tf.sub(logSum, tf.sum(tf.mul(p, finite(scaled)), -1, true));
        return { value: tf.squeeze(value, [-1]), saved: [logits, top, logSum, value] };
      },
      (dy, [x, top, logSum, entropy]) => {
        const logProbs = logProbsOf(x as tf.Tensor, top as tf.Tensor, logSum as tf.Tensor, temperature);
        const slope = tf.mul(tf.exp(logProbs), tf.add(finite(logProbs), entropy as tf.Tensor));
        return [timesRows(slope, tf.div(tf.expandDims(dy, -1), -temperature))];
      },
    );
  });
  return value as WithoutLast<L>;
}

/**
 * Probability that two draws agree, logits [..., V] → [...]:
 *
 *   Σ_v p_v² = exp(logsumexp(2x / τ) − 2 logsumexp(x / τ))
 *
 * Gradient: 2 p_j (p_j − Σ p²) / τ. Between 1 / V and 1; log of it is minus the Rényi entropy of order 2.
 *
 * @throws ShapeError unless the logits are float32 [..., V], OptionError unless the temperature is positive
 */
export function sumSquaredProbs<L extends tf.Tensor>(
  logits: L,
  { temperature = 1 }: TemperatureOptions = {},
): WithoutLast<L> {
  expectLogits('sumSquaredProbs', logits, temperature);
  const value = tf.tidy(() =>
    withGradient(
      [logits],
      () => {
        const { top, scaled, logSum } = normalize(logits, temperature);
        const value = tf.sum(tf.square(tf.exp(tf.sub(scaled, logSum))), -1, true);
        return { value: tf.squeeze(value, [-1]), saved: [logits, top, logSum, value] };
      },
      (dy, [x, top, logSum, total]) => {
        const p = tf.exp(logProbsOf(x as tf.Tensor, top as tf.Tensor, logSum as tf.Tensor, temperature));
        const slope = tf.mul(p, tf.sub(p, total as tf.Tensor));
        return [tf.mul(slope, tf.div(tf.expandDims(dy, -1), temperature / 2))];
      },
    ),
  );
  return value as WithoutLast<L>;
}

/** Keeps exp(x) · x = 0 at x = −∞: below −120 the factor exp(x) is 0 in float32 anyway. */
const finite = (x: tf.Tensor): tf.Tensor => tf.maximum(x, -120);
