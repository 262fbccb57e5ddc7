import { movesBinary } from './binaries/moves.js';
import { compileFamily } from './compile-family.js';
import type { Heap } from './heap.js';

/** Moves and sums of rows. Addresses are in bytes, of dense numbers of four bytes; sizes in numbers. */
export interface Moves {
  /**
   * y[i_p0, i_p1, …] = x[i_0, i_1, …] for the permutation p of the axes of `shape`; false, and nothing done, where more
   * than four axes are left after those that stay together are taken as one.
   */
  transpose(at: Record<'x' | 'y', number>, shape: readonly number[], permutation: readonly number[]): boolean;
  /** out[s] = Σ of the float32 rows of x whose int32 id is s; rows with an id outside [0, segments) are dropped. */
  sumSegments(at: Record<'x' | 'ids' | 'out', number>, size: Record<'rows' | 'width' | 'segments', number>): void;
  /** out[i] = Σ of row i of x, float32: lanes of at most 64 numbers, which meet in float64. */
  sumRows(at: Record<'x' | 'out', number>, size: Record<'rows' | 'width', number>): void;
}

/**
 * Moves and sums by SIMD128 instructions, in the memory of another module. Nothing checks addresses and sizes, but ids
 * are.
 *
 * @throws BackendError where SIMD WebAssembly is missing and where the memory is shared
 */
export function instantiateMoves(heap: Heap): Moves {
  const kernel = compileFamily<Kernel>('instantiateMoves', movesBinary, heap);
  return {
    transpose({ x, y }, shape, permutation) {
      const axes = mergedAxes(shape, permutation);
      if (axes.length > 4) return false;
      // Both ends of the innermost movement, and at most two axes around it.
      const one: Axis = { size: 1, from: 0, to: 0 };
      const last = axes.findIndex(({ from }) => from === 4);
      const target = axes.findIndex(({ to }) => to === 4);
      const flip = last !== target;
      const columns = axes[last] ?? { size: 1, from: 4, to: 4 };
      const others = axes.filter((_, i) => i !== last && i !== target);
      const rows = flip ? (axes[target] as Axis) : (others.pop() ?? one);
      const [outer = one, inner = one] = others;
      kernel.moveMatrices(
        x,
        y,
        outer.size,
        outer.from,
        outer.to,
        inner.size,
        inner.from,
        inner.to,
        rows.size,
        columns.size,
        rows.from,
        flip ? columns.to : rows.to,
        flip ? 1 : 0,
      );
      return true;
    },
    sumSegments: ({ x, ids, out }, { rows, width, segments }) => kernel.sumSegments(x, ids, rows, width, out, segments),
    sumRows: ({ x, out }, { rows, width }) => kernel.sumRows(x, rows, width, out),
  };
}

/** An axis, and how many bytes lie between its numbers on both sides. */
interface Axis {
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

/** In the order of the result, without axes of size 1, and those as one that lie side by side before and after. */
function mergedAxes(shape: readonly number[], permutation: readonly number[]): Axis[] {
  const strides = (sizes: readonly number[]): number[] =>
    sizes.map((_, d) => 4 * sizes.slice(d + 1).reduce((product, n) => product * n, 1));
  const from = strides(shape);
  const to = strides(permutation.map((axis) => shape[axis] as number));
  const axes: Axis[] = [];
  for (const [d, axis] of permutation.entries()) {
    const next = { size: shape[axis] as number, from: from[axis] as number, to: to[d] as number };
    const before = axes.at(-1);
    if (next.size === 1) continue;
    if (before && before.from === next.from * next.size) axes.splice(-1, 1, { ...next, size: before.size * next.size });
    else axes.push(next);
  }
  return axes;
}

type Exported = (...numbers: number[]) => void;

interface Kernel {
  readonly moveMatrices: Exported;
  readonly sumSegments: Exported;
  readonly sumRows: Exported;
}
