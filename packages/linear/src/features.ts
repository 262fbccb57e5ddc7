import { DataError, type Grid, ShapeError } from '@tsrl/core';

/** Vectors of N examples, [rows, columns] = [N, D], row-major: a `Grid`, or the same in float32. */
export interface DenseFeatures {
  readonly data: Float64Array | Float32Array;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Vectors of N examples of which most entries are 0, in compressed rows: the entries of row i are those from
 * `starts[i]` to `starts[i + 1]` of `indices` (their columns, each at most once) and `values`.
 */
export interface SparseFeatures {
  /** [rows + 1], from 0, ascending. */
  readonly starts: Int32Array;
  readonly indices: Int32Array;
  readonly values: Float64Array;
  readonly rows: number;
  readonly columns: number;
}

/** What a linear classifier looks at. */
export type Features = DenseFeatures | SparseFeatures;

/**
 * The features of some examples, in this order; a position may come twice.
 *
 * @returns float64, also of float32 features
 * @throws ShapeError for inconsistent features, DataError for a position that is no row
 */
export function selectRows(features: SparseFeatures, positions: ArrayLike<number>): SparseFeatures;
export function selectRows(features: DenseFeatures, positions: ArrayLike<number>): Grid;
export function selectRows(features: Features, positions: ArrayLike<number>): Grid | SparseFeatures;
export function selectRows(features: Features, positions: ArrayLike<number>): Grid | SparseFeatures {
  expectConsistent('selectRows', features);
  for (let k = 0; k < positions.length; k++) {
    const i = positions[k] as number;
    if (!(Number.isInteger(i) && i >= 0 && i < features.rows)) {
      throw new DataError('selectRows', `positions[${k}] must be a row from 0 to ${features.rows - 1}; got ${i}`);
    }
  }
  const [rows, { columns }] = [positions.length, features];
  if (!('starts' in features)) {
    const data = new Float64Array(rows * columns);
    for (let k = 0; k < rows; k++) {
      const from = (positions[k] as number) * columns;
      data.set(features.data.subarray(from, from + columns), k * columns);
    }
    return { data, rows, columns };
  }
  const starts = new Int32Array(rows + 1);
  for (let k = 0; k < rows; k++) {
    const i = positions[k] as number;
    starts[k + 1] = (starts[k] as number) + (features.starts[i + 1] as number) - (features.starts[i] as number);
  }
  const indices = new Int32Array(starts[rows] as number);
  const values = new Float64Array(indices.length);
  for (let k = 0; k < rows; k++) {
    const i = positions[k] as number;
    const [from, to] = [features.starts[i] as number, features.starts[i + 1] as number];
    indices.set(features.indices.subarray(from, to), starts[k]);
    values.set(features.values.subarray(from, to), starts[k]);
  }
  return { starts, indices, values, rows, columns };
}

/** Throws a ShapeError unless the arrays have the sizes that rows and columns say, and every index is a column. */
export function expectConsistent(who: string, features: Features): void {
  const { rows, columns } = features;
  const shape = `[${rows}, ${columns}]`;
  if (!('starts' in features)) {
    const size = features.data.length;
    if (size !== rows * columns) {
      throw new ShapeError(who, 'features', `${shape} = ${rows * columns} numbers`, `${size} numbers`);
    }
    return;
  }
  const { starts, indices, values } = features;
  const ascending = starts.every((start, i) => start >= (i === 0 ? 0 : (starts[i - 1] as number)));
  const whole = starts.length === rows + 1 && starts[0] === 0 && ascending && starts[rows] === indices.length;
  if (!whole || values.length !== indices.length) {
    const got = `${starts.length} starts, ${indices.length} indices and ${values.length} values`;
    throw new ShapeError(who, 'features', `sparse rows ${shape}: ${rows + 1} starts from 0 to the end`, got);
  }
  const outside = indices.find((j) => !(j >= 0 && j < columns));
  if (outside !== undefined) throw new ShapeError(who, 'every index', `a column of ${shape}`, `${outside}`);
}

/** Throws a DataError that names the first entry that is not finite. */
export function expectFiniteFeatures(who: string, features: Features): void {
  const sparse = 'starts' in features;
  const entries = sparse ? features.values : features.data;
  for (let k = 0; k < entries.length; k++) {
    if (Number.isFinite(entries[k])) continue;
    const row = sparse ? features.starts.findIndex((start) => start > k) - 1 : Math.floor(k / features.columns);
    const column = sparse ? features.indices[k] : k % features.columns;
    throw new DataError(who, `features must be finite; got ${entries[k]} in row ${row}, column ${column}`);
  }
}
