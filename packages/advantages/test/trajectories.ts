import type { Grid } from '@tsrl/core';
import * as fc from 'fast-check';

export const real: fc.Arbitrary<number> = fc.double({ min: -5, max: 5, noNaN: true });
export const unit: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, 1),
  fc.double({ min: 1e-3, max: 1, noNaN: true }),
);

export const gridFrom = (rows: number, columns: number, of: fc.Arbitrary<number>): fc.Arbitrary<Grid> =>
  fc
    .array(of, { minLength: rows * columns, maxLength: rows * columns })
    .map((data) => ({ data: Float64Array.from(data), rows, columns }));

export interface Trajectories {
  readonly rewards: Grid;
  readonly values: Grid;
  readonly mask: Grid;
  readonly bootstrap: Float64Array;
  /** Positive, about 1. */
  readonly ratios: Grid;
  /** In [0, 1]. */
  readonly gammas: Grid;
  readonly lambdas: Grid;
}

/** Everything is drawn where the mask is 0, too. */
export const trajectories: fc.Arbitrary<Trajectories> = fc
  .record({ rows: fc.integer({ min: 1, max: 3 }), columns: fc.integer({ min: 1, max: 7 }) })
  .chain(({ rows, columns }) =>
    fc.record({
      rewards: gridFrom(rows, columns, real),
      values: gridFrom(rows, columns, real),
      mask: gridFrom(rows, columns, fc.constantFrom(0, 1, 1)),
      bootstrap: fc.array(real, { minLength: rows, maxLength: rows }).map((data) => Float64Array.from(data)),
      ratios: gridFrom(rows, columns, fc.double({ min: 0, max: 3, noNaN: true })),
      gammas: gridFrom(rows, columns, unit),
      lambdas: gridFrom(rows, columns, unit),
    }),
  );

export const rowOf = (grid: Grid, i: number): number[] =>
  Array.from(grid.data.slice(i * grid.columns, (i + 1) * grid.columns));

/** The positions of the valid tokens of each row, in order. */
export const validOf = (mask: Grid): number[][] =>
  Array.from({ length: mask.rows }, (_, b) =>
    rowOf(mask, b).flatMap((m, t) => (m === 1 ? [b * mask.columns + t] : [])),
  );

/** The numbers that count. */
export const counted = (grid: Grid, mask: Grid): number[] => Array.from(grid.data).filter((_, i) => mask.data[i] === 1);

/** Every entry of these inputs that does not count becomes NaN. */
export function poisoned<Inputs extends object>(inputs: Inputs, mask: Grid): Inputs {
  const isGrid = (value: unknown): value is Grid => typeof value === 'object' && value !== null && 'columns' in value;
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]: [string, unknown]) => {
      if (name === 'mask' || !isGrid(value)) return [name, value];
      return [name, { ...value, data: value.data.map((x, i) => (mask.data[i] === 0 ? Number.NaN : x)) }];
    }),
  ) as Inputs;
}
