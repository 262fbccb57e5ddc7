import * as tf from '@tensorflow/tfjs-core';
import { OptionError, ShapeError } from '@tsrl/core';
import { asRows, noIds, statisticsByKernel } from './softmax-statistics.js';
import { withGradient } from './with-gradient.js';

/** How logits become a distribution. */
export interface TemperatureOptions {
  /** τ > 0, default 1: the distribution is softmax(logits / τ). It must be the temperature of sampling, everywhere. */
  readonly temperature?: number;
}

/** The type of a tensor without its last dimension: [B, T, V] → [B, T]. */
export type WithoutLast<L extends tf.Tensor> = L extends tf.Tensor3D
  ? tf.Tensor2D
  : L extends tf.Tensor2D
    ? tf.Tensor1D
    : tf.Tensor;

/**
 * Logarithm of the normalizer of each distribution, logits [..., V] → [...]:
 *
 *   log Σ_v exp(x_v / τ) = M / τ + log Σ_v exp((x_v − M) / τ),  M = max_v x_v
 *
 * Entries of −∞ (a masked vocabulary) have probability 0; a row of nothing else gives −∞ with gradient 0, where
 * `tf.logSumExp` gives NaN. Gradient: softmax(x / τ)_j / τ.
 *
 * @throws ShapeError unless the logits are float32 [..., V], OptionError unless the temperature is positive
 */
export function logNormalizer<L extends tf.Tensor>(
  logits: L,
  { temperature = 1 }: TemperatureOptions = {},
): WithoutLast<L> {
  expectLogits('logNormalizer', logits, temperature);
  const value = tf.tidy(() => {
    const byKernel = statisticsByKernel(asRows(logits), noIds(logits), { temperature });
    if (byKernel !== undefined) return tf.reshape(byKernel, logits.shape.slice(0, -1));
    return withGradient(
      [logits],
      () => {
        const { max, top, logSum } = normalize(logits, temperature);
        return { value: tf.squeeze(tf.add(tf.div(max, temperature), logSum), [-1]), saved: [logits, top, logSum] };
      },
      (dy, [x, top, logSum]) => {
        const p = tf.exp(logProbsOf(x as tf.Tensor, top as tf.Tensor, logSum as tf.Tensor, temperature));
        return [timesRows(p, tf.div(tf.expandDims(dy, -1), temperature))];
      },
    );
  });
  return value as WithoutLast<L>;
}

/** What every function of a softmax starts with; all but `scaled` are [..., 1]. Not for export. */
export interface Normalized {
  /** max x, −∞ for a row of −∞ */
  readonly max: tf.Tensor;
  /** M: the same, but finite */
  readonly top: tf.Tensor;
  /** (x − M) / τ */
  readonly scaled: tf.Tensor;
  /** log Σ exp((x − M) / τ), at least 0 */
  readonly logSum: tf.Tensor;
}

/** Not for export. */
export function normalize(x: tf.Tensor, temperature: number): Normalized {
  // Both floors act on rows of −∞ only (elsewhere the sum has the term exp(0) = 1): their probabilities become
  // exp(−∞) = 0, where −∞ − −∞ would be NaN. Values first: a NaN must survive `tf.maximum` on wasm.
  const max = tf.max(x, -1, true);
  const top = tf.maximum(max, -3e38);
  const scaled = scale(tf.sub(x, top), temperature);
  const logSum = tf.maximum(tf.log(tf.sum(tf.exp(scaled), -1, true)), 0);
  return { max, top, scaled, logSum };
}

/** log softmax(x / τ) from what a forward pass saved. Not for export. */
export function logProbsOf(x: tf.Tensor, top: tf.Tensor, logSum: tf.Tensor, temperature: number): tf.Tensor {
  return tf.sub(scale(tf.sub(x, top), temperature), logSum);
}

/** x [..., V] times slopes [..., 1]; 0 where the slope is 0, even in a row with NaN, as in the kernels. Not for export. */
export function timesRows(x: tf.Tensor, slopes: tf.Tensor): tf.Tensor {
  return tf.where(tf.equal(slopes, 0), tf.zerosLike(x), tf.mul(x, slopes));
}

const scale = (x: tf.Tensor, temperature: number): tf.Tensor => (temperature === 1 ? x : tf.div(x, temperature));

/** Not for export. */
export function expectLogits(who: string, { dtype, rank, shape }: tf.Tensor, temperature: number): void {
  if (!(temperature > 0 && temperature < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'temperature', 'positive and finite', temperature);
  }
  if (dtype !== 'float32' || rank < 1 || shape[rank - 1] === 0) {
    throw new ShapeError(who, 'logits', 'float32 [..., V] with V of at least 1', `${dtype} [${shape.join(', ')}]`);
  }
}
