import { DataError, type Grid } from '@tsrl/core';

/** Throws a DataError that names the first entry of the mask that is neither 0 nor 1. */
export function expectMask(who: string, mask: Grid): void {
  for (let i = 0; i < mask.data.length; i++) {
    const m = mask.data[i];
    if (m !== 0 && m !== 1) throw new DataError(who, `mask${place(mask, i)} must be 0 or 1; got ${m}`);
  }
}

/** Throws a DataError that names the first entry that counts (weight not 0) and is not finite. */
export function expectFiniteWhere(who: string, name: string, values: Grid, weights: Grid): void {
  for (let i = 0; i < values.data.length; i++) {
    if (weights.data[i] !== 0 && !Number.isFinite(values.data[i])) {
      throw new DataError(who, `${name}${place(values, i)} must be finite, for it counts; got ${values.data[i]}`);
    }
  }
}

/** Where an entry stands: `[row, column]`, counted from 0. */
export const place = ({ columns }: Grid, at: number): string => `[${Math.floor(at / columns)}, ${at % columns}]`;
