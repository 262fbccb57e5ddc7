import { ShapeError } from './errors.js';

/** Numbers per response and token, [rows, columns] = [B, T], row-major, on the host. */
export interface Grid {
  readonly data: Float64Array;
  readonly rows: number;
  readonly columns: number;
}

/**
 * A grid from nested rows of equal length.
 *
 * @throws ShapeError when the rows differ in length
 */
export function gridOf(rows: readonly ArrayLike<number>[]): Grid {
  const columns = rows[0]?.length ?? 0;
  const grid = zeros(rows.length, columns);
  rows.forEach((row, i) => {
    if (row.length !== columns) {
      throw new ShapeError('gridOf', `row ${i}`, `of length ${columns} like row 0`, `length ${row.length}`);
    }
    grid.data.set(Array.from(row), i * columns);
  });
  return grid;
}

/** A grid of zeros. */
export function zeros(rows: number, columns: number): Grid {
  return { data: new Float64Array(rows * columns), rows, columns };
}

/** Throws a ShapeError unless every named grid is consistent and has the size of the first, at least one row. */
export function expectSameGrid(who: string, grids: Readonly<Record<string, Grid>>): void {
  let first: { name: string; grid: Grid } | undefined;
  for (const [name, grid] of Object.entries(grids)) {
    const { data, rows, columns } = grid;
    if (data.length !== rows * columns) {
      throw new ShapeError(who, name, `[${rows}, ${columns}] = ${rows * columns} numbers`, `${data.length} numbers`);
    }
    if (rows === 0) throw new ShapeError(who, name, 'of at least one response', `[${rows}, ${columns}]`);
    first ??= { name, grid };
    if (rows !== first.grid.rows || columns !== first.grid.columns) {
      const expected = `[${first.grid.rows}, ${first.grid.columns}] like ${first.name}`;
      throw new ShapeError(who, name, expected, `[${rows}, ${columns}]`);
    }
  }
}

/** Throws a ShapeError unless `values` has `length` entries. */
export function expectLength(who: string, name: string, values: ArrayLike<unknown>, length: number): void {
  if (values.length !== length) throw new ShapeError(who, name, `of length ${length}`, `length ${values.length}`);
}
