import * as tf from '@tensorflow/tfjs-core';
import { OptionError, ShapeError } from '@tsrl/core';
import { expectShape } from './check.js';
import { fused } from './fused.js';
import { withGradient } from './with-gradient.js';

export interface NormOptions {
  /** Added to the mean square, or variance, under the root; not negative. Default 1e-5, as in PyTorch's LayerNorm. */
  readonly epsilon?: number;
}

type Three = readonly [tf.Tensor, tf.Tensor, tf.Tensor];

/**
 * Root-mean-square normalisation along the last axis:
 *
 *   y = w · n,   n = r x,   r = 1 / √(mean(x²) + ε)
 *   dw = Σ over rows of dy · n,   dx = r (g − n mean(g n)) with g = w dy
 *
 * The gradient is written by hand and keeps one number a row beside x. Llama's ε is 1e-5 or 1e-6, by its config.
 *
 * @param x      float32 [..., H]
 * @param weight float32 [H]
 * @throws ShapeError, OptionError for an ε below 0
 * @see Zhang and Sennrich 2019, arXiv:1910.07467
 */
export function rmsNorm<T extends tf.Tensor>(x: T, weight: tf.Tensor1D, { epsilon = 1e-5 }: NormOptions = {}): T {
  expectNorm('rmsNorm', x, { weight }, epsilon);
  return tf.tidy(() =>
    withGradient<T>(
      [x, weight],
      () => {
        const [y, scales] = fused('TsrlRmsNorm', { x, weight }, { epsilon }) ?? composedRms(x, weight, epsilon);
        return { value: y as T, saved: [x, weight, scales as tf.Tensor] };
      },
      (dy, saved) => {
        const [x, weight, scales] = saved as Three;
        return [...(fused('TsrlRmsNormGradient', { x, weight, scales, dy }) ?? rmsGradient(x, weight, scales, dy))];
      },
    ),
  );
}

function composedRms(x: tf.Tensor, weight: tf.Tensor, epsilon: number): tf.Tensor[] {
  const scales = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1), epsilon));
  return [tf.mul(tf.mul(x, tf.expandDims(scales, -1)), weight), scales];
}

function rmsGradient(x: tf.Tensor, weight: tf.Tensor, scales: tf.Tensor, dy: tf.Tensor): tf.Tensor[] {
  const r = tf.expandDims(scales, -1);
  const n = tf.mul(x, r);
  const g = tf.mul(dy, weight);
  const dx = tf.mul(r, tf.sub(g, tf.mul(n, tf.mean(tf.mul(g, n), -1, true))));
  return [dx, sumOfRows(tf.mul(dy, n))];
}

/**
 * Layer normalisation along the last axis, with the variance over H (not H − 1):
 *
 *   y = w · n + b,   n = r (x − mean(x)),   r = 1 / √(var(x) + ε)
 *   db = Σ over rows of dy,   dw = Σ over rows of dy · n,   dx = r (g − mean(g) − n mean(g n)) with g = w dy
 *
 * The gradient is written by hand and keeps two numbers a row beside x.
 *
 * @param x      float32 [..., H]
 * @param weight float32 [H]
 * @param bias   float32 [H]
 * @throws ShapeError, OptionError for an ε below 0
 * @see Ba, Kiros and Hinton 2016, arXiv:1607.06450
 */
export function layerNorm<T extends tf.Tensor>(
  x: T,
  weight: tf.Tensor1D,
  bias: tf.Tensor1D,
  { epsilon = 1e-5 }: NormOptions = {},
): T {
  expectNorm('layerNorm', x, { weight, bias }, epsilon);
  return tf.tidy(() =>
    withGradient<T>(
      [x, weight, bias],
      () => {
        const [y, stats] =
          fused('TsrlLayerNorm', { x, weight, bias }, { epsilon }) ?? composedLayerNorm(x, weight, bias, epsilon);
        return { value: y as T, saved: [x, weight, stats as tf.Tensor] };
      },
      (dy, saved) => {
        const [x, weight, stats] = saved as Three;
        return [...(fused('TsrlLayerNormGradient', { x, weight, stats, dy }) ?? layerGradient(x, weight, stats, dy))];
      },
    ),
  );
}

function composedLayerNorm(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, epsilon: number): tf.Tensor[] {
  const { mean, variance } = tf.moments(x, -1, true);
  const r = tf.rsqrt(tf.add(variance, epsilon));
  return [tf.add(tf.mul(tf.mul(tf.sub(x, mean), r), weight), bias), tf.concat([mean, r], -1)];
}

function layerGradient(x: tf.Tensor, weight: tf.Tensor, stats: tf.Tensor, dy: tf.Tensor): tf.Tensor[] {
  const [mean, r] = tf.split(stats, 2, -1) as [tf.Tensor, tf.Tensor];
  const n = tf.mul(tf.sub(x, mean), r);
  const g = tf.mul(dy, weight);
  const centered = tf.sub(g, tf.mean(g, -1, true));
  const dx = tf.mul(r, tf.sub(centered, tf.mul(n, tf.mean(tf.mul(g, n), -1, true))));
  return [dx, sumOfRows(tf.mul(dy, n)), sumOfRows(dy)];
}

/** Σ over all axes but the last. */
function sumOfRows(x: tf.Tensor): tf.Tensor {
  return tf.sum(tf.reshape(x, [-1, x.shape.at(-1) as number]), 0);
}

function expectNorm(who: string, x: tf.Tensor, weights: Readonly<Record<string, tf.Tensor>>, epsilon: number): void {
  const width = x.shape.at(-1);
  if (x.dtype !== 'float32' || width === undefined || width === 0) {
    throw new ShapeError(who, 'x', 'float32 [..., H], H at least 1', `${x.dtype} [${x.shape.join(', ')}]`);
  }
  for (const [name, weight] of Object.entries(weights)) expectShape(who, name, weight, [width]);
  if (!(epsilon >= 0 && epsilon < Infinity)) throw new OptionError(who, 'epsilon', 'finite, at least 0', epsilon);
}
