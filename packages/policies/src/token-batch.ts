import * as tf from '@tensorflow/tfjs-core';
import { ShapeError } from '@tsrl/core';
import type { TokenBatch } from '@tsrl/tensor';

/**
 * Token ids of several texts as one batch, padded on the right with id 0.
 *
 * @throws ShapeError when there is no row, or an empty one
 */
export function tokenBatch(rows: readonly ArrayLike<number>[]): TokenBatch {
  const lengths = Int32Array.from(rows, (row) => row.length);
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  const empty = lengths.indexOf(0);
  if (rows.length === 0) throw new ShapeError('tokenBatch', 'rows', 'at least one row', 'none');
  if (empty >= 0) throw new ShapeError('tokenBatch', `row ${empty}`, 'at least one token', 'none');
  const ids = new Int32Array(rows.length * longest);
  for (const [i, row] of rows.entries()) ids.set(row, i * longest);
  return { ids: tf.tensor2d(ids, [rows.length, longest], 'int32'), lengths: tf.tensor1d(lengths, 'int32') };
}
