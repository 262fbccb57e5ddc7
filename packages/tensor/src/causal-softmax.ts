import * as tf from '@tensorflow/tfjs-core';
import { ShapeError } from '@tsrl/core';
import { fused } from './fused.js';
import { withGradient } from './with-gradient.js';

/**
 * The softmax of each row over what it may see: row i over its columns 0 to i, with 0 behind them.
 *
 *   dx = y (dy − Σ_j y_j dy_j)
 *
 * @param scores float32 [..., T, T]
 * @throws ShapeError
 */
export function causalSoftmax<T extends tf.Tensor>(scores: T): T {
  const [rows, columns] = scores.shape.slice(-2);
  if (scores.rank < 2 || rows !== columns || scores.dtype !== 'float32') {
    throw new ShapeError(
      'causalSoftmax',
      'scores',
      'float32 [..., T, T]',
      `${scores.dtype} [${scores.shape.join(', ')}]`,
    );
  }
  const length = columns as number;
  return tf.tidy(() =>
    withGradient<T>(
      [scores],
      () => {
        const positions = (): tf.Tensor => tf.range(0, length, 1, 'int32');
        const [y] = fused('TsrlCausalSoftmax', { x: scores }) ?? [
          tf.softmax(tf.where(futureOf(positions(), length), tf.fill(scores.shape, -Infinity), scores)),
        ];
        return { value: y as T, saved: [y as tf.Tensor] };
      },
      (dy, saved) => {
        const [y] = saved as [tf.Tensor];
        const results = fused('TsrlCausalSoftmaxGradient', { y, dy });
        return [...(results ?? [tf.mul(y, tf.sub(dy, tf.sum(tf.mul(y, dy), -1, true)))])];
      },
    ),
  );
}

/** bool [..., length]: whether a key lies behind each of the positions, int32 [...]. */
export function futureOf(positions: tf.Tensor, length: number): tf.Tensor {
  return tf.greater(tf.range(0, length, 1, 'int32'), tf.expandDims(positions, -1));
}
