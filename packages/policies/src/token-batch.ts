import * as tf from '@tensorflow/tfjs-core';
import { ShapeError, show } from '@tsrl/core';
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

/** @throws ShapeError when `ids` are no token ids [B, S] of at most `maxPositions` columns */
export function expectIds(who: string, ids: tf.Tensor, maxPositions: number): void {
  if (ids.rank !== 2 || ids.dtype !== 'int32' || ids.size === 0) {
    throw new ShapeError(who, 'ids', 'int32 [B, S]', `${ids.dtype} ${show(ids.shape)}`);
  }
  if ((ids.shape[1] as number) > maxPositions) {
    throw new ShapeError(who, 'ids', `at most ${maxPositions} tokens long`, show(ids.shape));
  }
}

/** @throws ShapeError when there is not one length for each row */
export function expectLengths(who: string, lengths: tf.Tensor, batch: number): void {
  if (lengths.rank !== 1 || lengths.dtype !== 'int32' || lengths.size !== batch) {
    const got = `${lengths.dtype} ${show(lengths.shape)}`;
    throw new ShapeError(who, 'lengths', `int32 [${batch}], one for each row of ids`, got);
  }
}
