import type * as tf from '@tensorflow/tfjs-core';
import { ShapeError } from '@tsrl/core';

/**
 * Throws a ShapeError unless the tensor has this dtype and shape. A number is the size of its dimension, a letter
 * stands for any size, but that there is at least one of `B`:
 *
 *   ppoClip: logProbs must be float32 [B, T]; got float32 [1]
 */
export function expectShape(
  who: string,
  name: string,
  tensor: tf.Tensor,
  dims: readonly (string | number)[],
  dtype: tf.DataType = 'float32',
): void {
  const fits = tensor.rank === dims.length && dims.every((d, i) => hasSize(d, tensor.shape[i] as number));
  if (!fits || tensor.dtype !== dtype) {
    const filled = tensor.shape[dims.indexOf('B')] === 0 ? ', B at least 1' : '';
    throw new ShapeError(who, name, `${dtype} [${dims.join(', ')}]${filled}`, describe(tensor));
  }
}

const hasSize = (wanted: string | number, size: number): boolean =>
  typeof wanted === 'string' ? wanted !== 'B' || size > 0 : wanted === size;

/** Throws a ShapeError unless all named tensors are float32 and of the shape of the first. */
export function expectSameShape(who: string, tensors: Readonly<Record<string, tf.Tensor>>): void {
  const [first, ...others] = Object.entries(tensors);
  if (first === undefined) return;
  const [firstName, { dtype, shape }] = first;
  const expected = `float32 [${shape.join(', ')}]`;
  if (dtype !== 'float32') throw new ShapeError(who, firstName, expected, describe(first[1]));
  for (const [name, tensor] of others) {
    const same = tensor.rank === shape.length && shape.every((size, i) => size === tensor.shape[i]);
    if (!same || tensor.dtype !== 'float32') {
      throw new ShapeError(who, name, `${expected} like ${firstName}`, describe(tensor));
    }
  }
}

const describe = ({ dtype, shape }: tf.Tensor): string => `${dtype} [${shape.join(', ')}]`;
