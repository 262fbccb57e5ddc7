// Matrix products in SIMD128 over memory that the caller owns. Nothing here allocates, holds data or keeps state: all
// addresses and sizes are arguments, so the module can work inside the heap of another one.
//
// The scheme is that of Goto and van de Geijn (2008): B is packed into panels of 8 columns, A into panels of 4 rows, a
// panel of B stays in the first level of the cache and a block of A in the second.

import { exp4, LEAST, storeExpConstants } from './exp';
import { strip, tile } from './tiles';

// Functions of their own, for the reason that tiles.ts gives; so are the other exports but `gemm` and `scratchBytes`.
export { strip, tile };

/** Rows of A, columns of B and inner size that are packed at a time. */
const ROWS: usize = 128;
const COLUMNS: usize = 512;
const DEPTH: usize = 256;

/** B; A; a tile; the last numbers of a bias; what `exp4` needs. In bytes. */
const PACKED_B: usize = DEPTH * COLUMNS * 4;
const PACKED_A: usize = DEPTH * ROWS * 4;
const TILE: usize = 128;
const REST: usize = 32;
const CONSTANTS: usize = 96;

/**
 * Of sums this short, writing takes a good part of the time, and what is written must be in the first level: few lines of
 * it share a place there when rows lie a power of two apart.
 */
const SHALLOW: usize = 128;
const SHALLOW_ROWS: usize = 16;

/** Up to so many rows of A, rows of B are used where they lie: packing would cost more than it gives. */
const FEW: usize = 4;

/** The second level of the cache has as many bytes: for which blocks of B `touch` pays. */
const CACHE: usize = 1 << 20;

/** Columns of a strip of one row: eight vectors, as in a tile. */
const STRIP: usize = 32;

/** What `activation` means; 0 is none. */
const RELU: u32 = 1;
const GELU: u32 = 2;

/** How many bytes `gemm` needs at `scratch`. */
export function scratchBytes(): usize {
  return PACKED_B + PACKED_A + TILE + REST + CONSTANTS;
}

/**
 * C = f(A B + bias), or f(C + A B + bias) with `accumulate`, for each of `batch` pairs. C is m x n and dense; element
 * (i, l) of A lies at i * aRow + l * aColumn, and so on, in floats; so do the matrices of a batch at multiples of aBatch
 * and bBatch. The bias has n numbers; at address 0 there is none.
 */
export function gemm(
  a: usize,
  aRow: usize,
  aColumn: usize,
  aBatch: usize,
  b: usize,
  bRow: usize,
  bColumn: usize,
  bBatch: usize,
  c: usize,
  batch: usize,
  m: usize,
  k: usize,
  n: usize,
  accumulate: bool,
  bias: usize,
  activation: u32,
  scratch: usize,
): void {
  if (m === 0 || n === 0) return;
  const packedA = scratch + PACKED_B;
  const spare = packedA + PACKED_A;
  const rest = spare + TILE;
  const constants = rest + REST;
  if (bias !== 0) memory.copy(rest, bias + ((n & ~7) << 2), (n & 7) << 2);
  if (activation > RELU) storeExpConstants(constants);
  // Blocks of equal depth, so that none is left with a step or two; one of depth 0 over nothing.
  const blocks = max<usize>(1, (k + DEPTH - 1) / DEPTH);
  const depth = (k + blocks - 1) / blocks;
  const few = m <= FEW && bColumn === 1;
  const cRow = n << 2;
  aRow <<= 2;
  aColumn <<= 2;
  bRow <<= 2;
  bColumn <<= 2;
  const streamed = bRow === 4 && bColumn === k << 2 && COLUMNS * bColumn <= CACHE && n * bColumn > CACHE;
  for (; batch > 0; batch--) {
    for (let j: usize = 0; j < n; j += COLUMNS) {
      const columns = min(COLUMNS, n - j);
      const strips = few ? columns & ~(STRIP - 1) : 0;
      if (streamed) touch(b + j * bColumn, columns * bColumn);
      let l: usize = 0;
      do {
        const inner = min(depth, k - l);
        const add = accumulate || l > 0;
        const biased = bias !== 0 && l === 0;
        const last = activation !== 0 && l + inner === k;
        for (let jj: usize = 0; jj < strips; jj += STRIP) {
          const offset = (j + jj) << 2;
          const at = c + offset;
          const from = biased ? bias + offset : 0;
          for (let i: usize = 0; i < m; i++) {
            strip(a + i * aRow + l * aColumn, aColumn, b + l * bRow + offset, bRow, inner, from, at + i * cRow, add);
          }
          if (last) activate(at, cRow, m, STRIP, activation, constants);
        }
        if (strips < columns) {
          packB(b + l * bRow + (j + strips) * bColumn, bRow, bColumn, inner, columns - strips, scratch);
          const most = add && inner <= SHALLOW ? SHALLOW_ROWS : ROWS;
          for (let i: usize = 0; i < m; i += most) {
            const rows = min(most, m - i);
            packA(a + i * aRow + l * aColumn, aRow, aColumn, rows, inner, packedA);
            let panel = scratch;
            for (let jj = strips; jj < columns; jj += 8) {
              const width = min<usize>(8, columns - jj);
              const offset = (j + jj) << 2;
              const top = c + i * cRow + offset;
              const from = biased ? (width === 8 ? bias + offset : rest) : 0;
              let at = top;
              let four = packedA;
              for (let ii: usize = 0; ii < rows; ii += 4) {
                const height = min<usize>(4, rows - ii);
                if (height === 4 && width === 8) {
                  tile(four, panel, inner, from, at, cRow, add);
                } else {
                  tile(four, panel, inner, from, spare, 32, false);
                  copyTile(spare, at, cRow, height, width, add);
                }
                four += inner << 4;
                at += cRow << 2;
              }
              if (last) activate(top, cRow, rows, width, activation, constants);
              panel += inner << 5;
            }
          }
        }
        l += inner;
      } while (l < k);
    }
    a += aBatch << 2;
    b += bBatch << 2;
    c += m * cRow;
  }
}

/** C = f(C) for the rows and columns of one panel, which still are in the first level of the cache. */
export function activate(c: usize, cRow: usize, rows: usize, columns: usize, activation: u32, constants: usize): void {
  const bytes = columns << 2;
  for (; rows > 0; rows--) {
    for (let j: usize = 0; j < bytes; ) {
      const four = j + 16 <= bytes;
      const x = four ? v128.load(c + j) : v128.load32_zero(c + j);
      const y = activationOf(x, activation, constants);
      if (four) v128.store(c + j, y);
      else v128.store_lane<f32>(c + j, y, 0);
      j += four ? 16 : 4;
    }
    c += cRow;
  }
}

/** relu keeps NaN; gelu and silu are x σ(u), by an exponential of −|u|, which never overflows. */
function activationOf(x: v128, activation: u32, constants: usize): v128 {
  if (activation === RELU) return f32x4.pmax(x, f32x4.splat(0));
  let u = x;
  if (activation === GELU) {
    // u = 2 √(2/π) (x + 0.044715 x³)
    const cubic = f32x4.mul(f32x4.mul(x, x), f32x4.splat(0.07135481282));
    u = f32x4.mul(x, f32x4.add(cubic, f32x4.splat(1.5957691216)));
  }
  const e = exp4(
    f32x4.pmax(f32x4.neg(f32x4.abs(u)), f32x4.splat(LEAST / <f32>Math.LOG2E)),
    f32x4.splat(<f32>Math.LOG2E),
    v128.load(constants),
    v128.load(constants, 16),
    v128.load(constants, 32),
    v128.load(constants, 48),
    v128.load(constants, 64),
    v128.load(constants, 80),
  );
  const one = f32x4.splat(1);
  const share = v128.bitselect(e, one, f32x4.lt(u, f32x4.splat(0)));
  return f32x4.div(f32x4.mul(x, share), f32x4.add(one, e));
}

/** The part of a tile that lies inside C. */
export function copyTile(from: usize, c: usize, cRow: usize, height: usize, width: usize, add: bool): void {
  for (let i: usize = 0; i < height; i++) {
    for (let j: usize = 0; j < width; j++) {
      const at = c + i * cRow + (j << 2);
      const value = load<f32>(from + (i << 5) + (j << 2));
      store<f32>(at, add ? load<f32>(at) + value : value);
    }
  }
}

/** Four rows of A side by side; what is missing of the last four is 0. */
export function packA(a: usize, row: usize, column: usize, rows: usize, k: usize, to: usize): void {
  for (let i: usize = 0; i < rows; i += 4) {
    const height = rows - i;
    if (height >= 4 && row === 4) {
      let p = a;
      for (let l: usize = 0; l < k; l++) {
        v128.store(to, v128.load(p));
        to += 16;
        p += column;
      }
    } else if (height >= 4 && column === 4) {
      packTransposed(a, row, k, to, 16);
      to += k << 4;
    } else {
      let p = a;
      for (let l: usize = 0; l < k; l++) {
        store<f32>(to, load<f32>(p));
        store<f32>(to, height > 1 ? load<f32>(p + row) : 0, 4);
        store<f32>(to, height > 2 ? load<f32>(p + (row << 1)) : 0, 8);
        store<f32>(to, height > 3 ? load<f32>(p + row * 3) : 0, 12);
        to += 16;
        p += column;
      }
    }
    a += row << 2;
  }
}

/** Eight columns of B side by side; what is missing of the last eight is 0. */
export function packB(b: usize, row: usize, column: usize, k: usize, columns: usize, to: usize): void {
  for (let j: usize = 0; j < columns; j += 8) {
    const width = columns - j;
    if (width < 8) {
      for (let l: usize = 0; l < k; l++) {
        for (let jj: usize = 0; jj < 8; jj++) {
          store<f32>(to + (jj << 2), jj < width ? load<f32>(b + l * row + jj * column) : 0);
        }
        to += 32;
      }
    } else if (column === 4) {
      let p = b;
      for (let l: usize = 0; l < k; l++) {
        v128.store(to, v128.load(p));
        v128.store(to, v128.load(p, 16), 16);
        to += 32;
        p += row;
      }
    } else if (row === 4) {
      packTransposed(b, column, k, to, 32);
      packTransposed(b + (column << 2), column, k, to + 16, 32);
      to += k << 5;
    } else {
      for (let l: usize = 0; l < k; l++) {
        for (let jj: usize = 0; jj < 8; jj++) store<f32>(to + (jj << 2), load<f32>(b + l * row + jj * column));
        to += 32;
      }
    }
    b += column << 3;
  }
}

/**
 * Brings memory into the cache line by line. Packing reads a transposed matrix in pieces of a row, for which memory is
 * three times as slow as for a stream.
 */
export function touch(from: usize, bytes: usize): void {
  for (const end = from + bytes; from < end; from += 64) load<u8>(from);
}

/** Four rows of numbers as columns, four by four, at steps of `step` bytes. */
export function packTransposed(from: usize, row: usize, k: usize, to: usize, step: usize): void {
  let l: usize = 0;
  for (; l + 4 <= k; l += 4) {
    const p = from + (l << 2);
    const r0 = v128.load(p);
    const r1 = v128.load(p + row);
    const r2 = v128.load(p + (row << 1));
    const r3 = v128.load(p + row * 3);
    const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
    v128.store(to + step, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
    v128.store(to + (step << 1), v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
    v128.store(to + step * 3, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
    to += step << 2;
  }
  for (; l < k; l++) {
    for (let j: usize = 0; j < 4; j++) store<f32>(to + (j << 2), load<f32>(from + (l << 2) + j * row));
    to += step;
  }
}
