import type { Features } from './features.js';

/** All that a fit asks of its features X: products with the matrix and with its transpose. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** X v, [rows], of the first `columns` entries of v. */
  times(v: Float64Array): Float64Array<ArrayBuffer>;
  /** Adds Xᵀ u to the first `columns` entries of `sum`. */
  addTransposed(u: Float64Array, sum: Float64Array): void;
}

/** The matrix of consistent features; float32 is widened once. */
export function matrixOf(features: Features): Matrix {
  const { rows, columns } = features;
  if ('starts' in features) {
    const { starts, indices, values } = features;
    return {
      rows,
      columns,
      times(v) {
        const product = new Float64Array(rows);
        for (let i = 0; i < rows; i++) {
          let sum = 0;
          const end = starts[i + 1] as number;
          for (let k = starts[i] as number; k < end; k++)
            sum += (values[k] as number) * (v[indices[k] as number] as number);
          product[i] = sum;
        }
        return product;
      },
      addTransposed(u, sum) {
        for (let i = 0; i < rows; i++) {
          const factor = u[i] as number;
          const end = starts[i + 1] as number;
          for (let k = starts[i] as number; k < end; k++) {
            const j = indices[k] as number;
            sum[j] = (sum[j] as number) + factor * (values[k] as number);
          }
        }
      },
    };
  }
  const data = features.data instanceof Float64Array ? features.data : Float64Array.from(features.data);
  return {
    rows,
    columns,
    // Four sums at a time: one alone waits for its own last addition, which makes it three times as slow.
    times(v) {
      const product = new Float64Array(rows);
      const even = columns - (columns % 4);
      for (let i = 0; i < rows; i++) {
        const at = i * columns;
        let [a, b, c, d] = [0, 0, 0, 0];
        for (let j = 0; j < even; j += 4) {
          a += (data[at + j] as number) * (v[j] as number);
          b += (data[at + j + 1] as number) * (v[j + 1] as number);
          c += (data[at + j + 2] as number) * (v[j + 2] as number);
          d += (data[at + j + 3] as number) * (v[j + 3] as number);
        }
        for (let j = even; j < columns; j++) a += (data[at + j] as number) * (v[j] as number);
        product[i] = a + b + (c + d);
      }
      return product;
    },
    addTransposed(u, sum) {
      for (let i = 0; i < rows; i++) {
        const at = i * columns;
        const factor = u[i] as number;
        for (let j = 0; j < columns; j++) sum[j] = (sum[j] as number) + factor * (data[at + j] as number);
      }
    },
  };
}
