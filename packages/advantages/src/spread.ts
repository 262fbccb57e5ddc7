import { DataError, expectLength, expectSameGrid, type Grid } from '@tsrl/core';
import { expectMask, place } from './masked-input.js';

/**
 * Advantages of responses as advantages of their tokens, which is what losses take: A_i on every valid token of
 * response i, 0 elsewhere.
 *
 * @param advantages one per response, [B]
 * @param mask       1 where a token counts, [B, T]
 * @returns [B, T]
 * @throws ShapeError when there is not one advantage per row, DataError when the mask is not 0 or 1, or when an
 * advantage that counts is not finite
 */
export function spread(advantages: ArrayLike<number>, mask: Grid): Grid {
  expectSameGrid('spread', { mask });
  expectLength('spread', 'advantages', advantages, mask.rows);
  expectMask('spread', mask);
  const data = mask.data.map((m, i) => (m === 1 ? (advantages[Math.floor(i / mask.columns)] as number) : 0));
  const unfit = data.findIndex((a) => !Number.isFinite(a));
  if (unfit >= 0) {
    throw new DataError('spread', `the advantage at ${place(mask, unfit)} must be finite; got ${data[unfit]}`);
  }
  return { ...mask, data };
}
