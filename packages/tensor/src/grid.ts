import * as tf from '@tensorflow/tfjs-core';
import { expectSameGrid, type Grid } from '@tsrl/core';
import { expectShape } from './check.js';
import type { PerToken } from './types.js';

/**
 * A host grid as a float32 tensor [B, T]; the caller owns it. Float64 values are rounded to the nearest float32.
 *
 * @throws ShapeError when the grid does not hold rows · columns numbers
 */
export function toTensor(grid: Grid): PerToken {
  expectSameGrid('toTensor', { grid });
  return tf.tensor2d(Float32Array.from(grid.data), [grid.rows, grid.columns]);
}

/** A float32 tensor [B, T] downloaded to the host; the tensor stays the caller's. */
export async function toGrid(tensor: PerToken): Promise<Grid> {
  expectShape('toGrid', 'tensor', tensor, ['B', 'T']);
  const [rows, columns] = tensor.shape;
  return { data: Float64Array.from(await tensor.data()), rows, columns };
}
