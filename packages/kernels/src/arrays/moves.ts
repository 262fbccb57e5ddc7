import { OptionError, ShapeError } from '@tsrl/core';
import { instantiateMoves } from '../moves.js';
import { floatsAt, integersAt, onPrivateHeap, withRoom } from './heap.js';
import { expectSizes } from './pass.js';

const movesOf = onPrivateHeap(instantiateMoves);

/**
 * y[i_p0, i_p1, …] = x[i_0, i_1, …] for the permutation p of the axes of `shape`.
 *
 * @throws ShapeError where x has another length, OptionError where the permutation is none, or leaves more than four
 *   axes apart; BackendError where there is no SIMD WebAssembly
 */
export function transpose(x: Float32Array, shape: readonly number[], permutation: readonly number[]): Float32Array {
  const size = shape.reduce((product, n) => product * n, 1);
  if (x.length !== size) throw new ShapeError('transpose', 'x', `[${shape}]`, `${x.length} numbers`);
  if (shape.some((_, axis) => !permutation.includes(axis)) || permutation.length !== shape.length) {
    throw new OptionError('transpose', 'permutation', `one of the axes 0 to ${shape.length - 1}`, permutation);
  }
  if (size === 0) return new Float32Array(0);
  const moves = movesOf();
  return withRoom(8 * size, (at) => {
    floatsAt(at, size).set(x);
    const y = at + 4 * size;
    if (moves.transpose({ x: at, y }, shape, permutation)) return floatsAt(y, size).slice();
    throw new OptionError('transpose', 'permutation', 'one that leaves at most four axes apart', permutation);
  });
}

/**
 * out[s] = Σ of the rows of x, [ids.length, width], whose id is s: [segments, width]. Rows with an id outside
 * [0, segments) are dropped. This is the gradient of a table from which rows were gathered.
 *
 * @throws ShapeError where x has another length, BackendError where there is no SIMD WebAssembly
 */
export function addRows(x: Float32Array, ids: Int32Array, width: number, segments: number): Float32Array {
  expectSizes('addRows', { width, segments }, 0);
  const rows = ids.length;
  if (x.length !== rows * width) {
    throw new ShapeError('addRows', 'x', `[${rows}, ${width}]`, `${x.length} numbers`);
  }
  const moves = movesOf();
  return withRoom(4 * (x.length + rows + segments * width), (at) => {
    const [idsAt, out] = [at + 4 * x.length, at + 4 * (x.length + rows)];
    floatsAt(at, x.length).set(x);
    integersAt(idsAt, rows).set(ids);
    moves.sumSegments({ x: at, ids: idsAt, out }, { rows, width, segments });
    return floatsAt(out, segments * width).slice();
  });
}

/**
 * The rows of a table [segments, width] with these ids, one after the other: [ids.length, width].
 *
 * @throws ShapeError where the table has no whole rows, OptionError for an id outside it
 */
export function gatherRows(table: Float32Array, ids: Int32Array, width: number): Float32Array {
  expectSizes('gatherRows', { width }, 1);
  const segments = table.length / width;
  if (!Number.isInteger(segments)) {
    throw new ShapeError('gatherRows', 'table', `[segments, ${width}]`, `${table.length} numbers`);
  }
  const out = new Float32Array(ids.length * width);
  ids.forEach((id, row) => {
    if (id < 0 || id >= segments) throw new OptionError('gatherRows', `ids[${row}]`, `in [0, ${segments})`, id);
    out.set(table.subarray(id * width, (id + 1) * width), row * width);
  });
  return out;
}
