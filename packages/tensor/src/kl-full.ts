import * as tf from '@tensorflow/tfjs-core';
import { expectSameShape } from './check.js';
import {
  expectLogits,
  logProbsOf,
  normalize,
  type TemperatureOptions,
  type WithoutLast,
} from './log-probs-normalizer.js';
import { withGradient } from './with-gradient.js';

/** Options of `fullKl`. */
export interface FullKlOptions extends TemperatureOptions {
  /** `reverse`: KL(π ‖ π_ref), the default of the field; `forward`: KL(π_ref ‖ π). */
  readonly direction?: 'reverse' | 'forward';
  /** The divergence is cut off here, with gradient 0: it is infinite where a token lost its support. Default 20. */
  readonly maxValue?: number;
}

/**
 * Kullback-Leibler divergence over the whole vocabulary, logits [..., V] twice → [...], in nats:
 *
 *   KL(π ‖ π_ref) = Σ_v p_v (log p_v − log q_v),  p = softmax(logits / τ), q = softmax(refLogits / τ)
 *
 * Gradients: d/dx_j = p_j (log p_j − log q_j − KL) / τ in the logits of the first distribution and (q_j − p_j) / τ
 * in those of the second. A token with p_v = 0 contributes 0. verl names it (`full`) and does not implement it.
 *
 * @throws ShapeError unless both are float32 [..., V] of one shape, OptionError unless the temperature is positive
 */
export function fullKl<L extends tf.Tensor>(
  logits: L,
  refLogits: L,
  { direction = 'reverse', temperature = 1, maxValue = 20 }: FullKlOptions = {},
): WithoutLast<L> {
  expectLogits('fullKl', logits, temperature);
  expectSameShape('fullKl', { logits, refLogits });
  const [first, second] = direction === 'reverse' ? [logits, refLogits] : [refLogits, logits];
  return tf.tidy(() => divergence(first, second, temperature, maxValue)) as WithoutLast<L>;
}

function divergence(first: tf.Tensor, second: tf.Tensor, temperature: number, maxValue: number): tf.Tensor {
  return withGradient(
    [first, second],
    () => {
      const a = normalize(first, temperature);
      const b = normalize(second, temperature);
      const logP = finite(tf.sub(a.scaled, a.logSum));
      const logQ = finite(tf.sub(b.scaled, b.logSum));
      const kl = tf.sum(tf.mul(tf.exp(logP), tf.sub(logP, logQ)), -1, true);
      const value = tf.squeeze(tf.minimum(kl, maxValue), [-1]);
      return { value, saved: [first, a.top, a.logSum, second, b.top, b.logSum, kl] };
    },
    (dy, saved) => {
      const [x, xTop, xLogSum, y, yTop, yLogSum, kl] = saved as tf.Tensor[];
      const logP = finite(logProbsOf(x as tf.Tensor, xTop as tf.Tensor, xLogSum as tf.Tensor, temperature));
      const logQ = finite(logProbsOf(y as tf.Tensor, yTop as tf.Tensor, yLogSum as tf.Tensor, temperature));
      const p = tf.exp(logP);
      const inside = tf.cast(tf.lessEqual(kl as tf.Tensor, maxValue), 'float32');
      const d = tf.mul(tf.div(tf.expandDims(dy, -1), temperature), inside);
      const inFirst = tf.mul(tf.mul(p, tf.sub(tf.sub(logP, logQ), kl as tf.Tensor)), d);
      return [inFirst, tf.mul(tf.sub(tf.exp(logQ), p), d)];
    },
  );
}

/** −∞ made so small that its exponential is 0, and so large that 0 times it is 0 and p times it exceeds any bound. */
const finite = (logProbs: tf.Tensor): tf.Tensor => tf.maximum(logProbs, -1e30);
