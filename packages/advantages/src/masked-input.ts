import { DataError, type Grid } from '@tsrl/core';

/** Throws a DataError that names the first entry of the mask that is neither 0 nor 1. */
export function expectMask(who: string, mask: Grid): void {
  const at = mask.data.findIndex((m) => m !== 0 && m !== 1);
  if (at >= 0) throw new DataError(who, `mask${place(mask, at)} must be 0 or 1; got ${mask.data[at]}`);
}

/** Throws a DataError that names the first entry that counts (weight not 0) and is not finite. */
export function expectFiniteWhere(who: string, name: string, values: Grid, weights: Grid): void {
  const at = values.data.findIndex((value, i) => weights.data[i] !== 0 && !Number.isFinite(value));
  if (at < 0) return;
  throw new DataError(who, `${name}${place(values, at)} must be finite, for it counts; got ${values.data[at]}`);
}

/** Where an entry stands: `[row, column]`, counted from 0. */
export const place = ({ columns }: Grid, at: number): string => `[${Math.floor(at / columns)}, ${at % columns}]`;
