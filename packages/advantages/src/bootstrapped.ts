import { DataError, expectLength, expectSameGrid, type Grid } from '@tsrl/core';
import { expectFiniteWhere, expectMask } from './masked-input.js';
import type { PerToken } from './per-token.js';

/** What estimators over time with a value function take; nothing is read where the mask is 0. */
export interface BootstrappedInputs {
  /** Reward of each token, [B, T]. */
  readonly rewards: Grid;
  /** Value of the state before each token, [B, T]. */
  readonly values: Grid;
  /** 1 where a token counts, [B, T]; holes allowed. */
  readonly mask: Grid;
  /** Value of the state after the last valid token, [B]: 0 (default) where the episode ended, V where it was cut. */
  readonly bootstrap?: ArrayLike<number>;
}

/** Throws a ShapeError when sizes differ. */
export function expectBootstrappedShape(
  who: string,
  { rewards, values, mask, bootstrap }: BootstrappedInputs,
  more: Readonly<Record<string, PerToken | undefined>> = {},
): void {
  const grids = Object.entries(more).filter((entry): entry is [string, Grid] => typeof entry[1] === 'object');
  expectSameGrid(who, { rewards, values, mask, ...Object.fromEntries(grids) });
  if (bootstrap) expectLength(who, 'bootstrap', bootstrap, mask.rows);
}

/** Throws a DataError that names the first entry that is not finite and counts, or a mask that is not 0 or 1. */
export function expectBootstrappedEntries(who: string, { rewards, values, mask, bootstrap }: BootstrappedInputs): void {
  expectMask(who, mask);
  expectFiniteWhere(who, 'rewards', rewards, mask);
  expectFiniteWhere(who, 'values', values, mask);
  for (let row = 0; bootstrap && row < mask.rows; row++) {
    const counts = mask.data.subarray(row * mask.columns, (row + 1) * mask.columns).includes(1);
    if (counts && !Number.isFinite(bootstrap[row])) {
      throw new DataError(who, `bootstrap[${row}] must be finite; got ${bootstrap[row]}`);
    }
  }
}

/** The positions in `mask.data` of the valid tokens of a row, in order. */
export function validTokens({ data, columns }: Grid, row: number): Int32Array {
  const at = new Int32Array(columns);
  let count = 0;
  for (let i = row * columns; i < (row + 1) * columns; i++) if (data[i] === 1) at[count++] = i;
  return at.subarray(0, count);
}
