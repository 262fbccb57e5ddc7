import { DataError, expectLength, expectSameGrid, type Grid, zeros } from '@tsrl/core';
import { expectMask } from './masked-input.js';

/**
 * The reward of a whole response as rewards of its tokens: all of it on the last valid token, 0 elsewhere. A row
 * without a valid token stays 0, whatever its outcome.
 *
 * @param outcomes one per response, [B]
 * @param mask     1 where a token counts, [B, T]
 * @returns [B, T]
 * @throws ShapeError when there is not one outcome per row, DataError when the mask is not 0 or 1, or when an outcome
 * that counts is not finite
 */
export function placeOutcome(outcomes: ArrayLike<number>, mask: Grid): Grid {
  expectSameGrid('placeOutcome', { mask });
  expectLength('placeOutcome', 'outcomes', outcomes, mask.rows);
  expectMask('placeOutcome', mask);
  const { rows, columns } = mask;
  const rewards = zeros(rows, columns);
  for (let row = 0; row < rows; row++) {
    const last = mask.data.subarray(row * columns, (row + 1) * columns).lastIndexOf(1);
    if (last < 0) continue;
    const outcome = outcomes[row] as number;
    if (!Number.isFinite(outcome)) {
      throw new DataError('placeOutcome', `outcomes[${row}] must be finite; got ${outcome}`);
    }
    rewards.data[row * columns + last] = outcome;
  }
  return rewards;
}
