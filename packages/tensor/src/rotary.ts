import * as tf from '@tensorflow/tfjs-core';
import { OptionError, ShapeError } from '@tsrl/core';
import { rotaryTable } from '@tsrl/kernels';
import { fused } from './fused.js';
import { withGradient } from './with-gradient.js';

export interface RotaryOptions {
  /** θ, the base of the wavelengths; positive. Default 10000. */
  readonly theta?: number;
}

/**
 * Rotary positions: turns each pair (x_i, x_{i + d/2}) of a head at position p by the angle p θ^(−2i/d). The gradient
 * turns back.
 *
 * The pairs are halves of a head, as in Hugging Face's Llama; the paper, and Llama's own code, pair neighbours, which
 * is the same up to a permutation of the rows of the projections.
 *
 * @param x float32 [..., S, heads, d], d even
 * @throws ShapeError, OptionError unless θ is positive
 * @see Su et al. 2021, arXiv:2104.09864
 */
export function rotary<T extends tf.Tensor>(x: T, { theta = 10_000 }: RotaryOptions = {}): T {
  const size = x.shape.at(-1);
  if (x.rank < 3 || x.dtype !== 'float32' || size === undefined || size % 2 !== 0) {
    throw new ShapeError('rotary', 'x', 'float32 [..., S, heads, d], d even', `${x.dtype} [${x.shape.join(', ')}]`);
  }
  expectTheta('rotary', theta);
  const turn = (y: tf.Tensor, backwards: boolean): T => {
    const results = fused('TsrlRotary', { x: y }, { theta, backwards });
    return (results?.[0] ?? turned(y, anglesOf(theta, size, x.shape.at(-3) as number), backwards)) as T;
  };
  return tf.tidy(() =>
    withGradient<T>(
      [x],
      () => ({ value: turn(x, false), saved: [] }),
      (dy) => [turn(dy, true)],
    ),
  );
}

/** Cosines and sines, [S, 1, d / 2] each. */
export interface Angles {
  readonly cos: tf.Tensor;
  readonly sin: tf.Tensor;
}

export function anglesOf(theta: number, headSize: number, length: number): Angles {
  const table = tf.tensor3d(rotaryTable(theta, headSize, length), [length, 2, headSize / 2]);
  const [cos, sin] = tf.split(table, 2, 1) as [tf.Tensor, tf.Tensor];
  return { cos, sin };
}

/** [..., S, heads, d] with its halves turned by angles that fit it. */
export function turned(x: tf.Tensor, { cos, sin }: Angles, backwards: boolean): tf.Tensor {
  const [a, b] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor];
  const s = backwards ? tf.neg(sin) : sin;
  return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, s)), tf.add(tf.mul(b, cos), tf.mul(a, s))], -1);
}

export function expectTheta(who: string, theta: number): void {
  if (!(theta > 0 && theta < Infinity)) throw new OptionError(who, 'theta', 'positive', theta);
}
