// Matrix products in SIMD128 over memory that the caller owns. Nothing here allocates, holds data or keeps state: all
// addresses and sizes are arguments, so the module can work inside the heap of another one.
//
// The scheme is that of Goto and van de Geijn (2008): B is packed into panels of 8 columns, A into panels of 4 rows, a
// panel of B stays in the first level of the cache and a block of A in the second. What is small stays where it lies.
// The parts are exported so that the compiler leaves them functions of their own: the engine then optimises each as soon
// as it is hot (it does not replace a running one), and keeps the sums of a tile in registers.
// The tile is 4 x 8: eight sums, two vectors of B and one of A fit the 16 registers of x64; a larger tile spills.

/** Rows of A, columns of B and inner size that are packed at a time. */
const ROWS: usize = 128;
const COLUMNS: usize = 512;
const DEPTH: usize = 256;

/** B, of which a tile more; A; a tile. In bytes. */
const PACKED_B: usize = DEPTH * COLUMNS * 4;
const PACKED_A: usize = DEPTH * ROWS * 4;

/** Up to so many columns of B, contiguous rows or columns of A are used where they lie. */
const FEW: usize = 32;

/** Up to so many numbers, rows of B are used where they lie: packing would cost more than it gives. */
const DIRECT: usize = 8192;

/** How many bytes `gemm` needs at `scratch`. */
export function scratchBytes(): usize {
  return PACKED_B + PACKED_A + 128;
}

/**
 * C = A B, or C += A B with `accumulate`, for each of `batch` pairs. C is m x n and dense; element (i, l) of A lies at
 * i * aRow + l * aColumn, and so on, in floats; so do the matrices of a batch at multiples of aBatch and bBatch.
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
  scratch: usize,
): void {
  if (k === 0 && !accumulate) memory.fill(c, 0, (batch * m * n) << 2);
  if (k === 0 || m === 0 || n === 0) return;
  const packedA = scratch + PACKED_B;
  const spare = packedA + PACKED_A;
  // Blocks of equal depth, so that none is left with a step or two.
  const blocks = (k + DEPTH - 1) / DEPTH;
  const depth = (k + blocks - 1) / blocks;
  const direct = bColumn === 1 && (m <= 8 || bRow * k <= DIRECT);
  const dense = aColumn === 1 && n <= FEW;
  const upright = aRow === 1 && aColumn > 0 && n <= FEW;
  const cRow = n << 2;
  aRow <<= 2;
  aColumn <<= 2;
  bRow <<= 2;
  bColumn <<= 2;
  for (; batch > 0; batch--) {
    for (let j: usize = 0; j < n; j += COLUMNS) {
      const columns = min(COLUMNS, n - j);
      for (let l: usize = 0; l < k; l += depth) {
        const inner = min(depth, k - l);
        const bBlock = b + l * bRow + j * bColumn;
        const whole = direct ? columns & ~7 : 0;
        packB(bBlock + whole * bColumn, bRow, bColumn, inner, columns - whole, scratch + ((whole * inner) << 2));
        for (let i: usize = 0; i < m; i += ROWS) {
          const rows = min(ROWS, m - i);
          const aBlock = a + i * aRow + l * aColumn;
          const placed = upright ? rows & ~3 : 0;
          if (!dense) packA(aBlock + placed * aRow, aRow, aColumn, rows - placed, inner, packedA);
          for (let jj: usize = 0; jj < columns; jj += 8) {
            const inPlace = jj < whole;
            const panel = inPlace ? bBlock + (jj << 2) : scratch + ((jj * inner) << 2);
            const step = inPlace ? bRow : 32;
            const width = min<usize>(8, columns - jj);
            let at = c + i * cRow + ((j + jj) << 2);
            for (let ii: usize = 0; ii < rows; ii += 4) {
              const height = min<usize>(4, rows - ii);
              const add = accumulate || l > 0;
              const full = height === 4 && width === 8;
              const to = full ? at : spare;
              const toRow: usize = full ? cRow : 32;
              if (dense) {
                const tile = aBlock + ii * aRow;
                // Where there are less than four rows, the first stands in for the others.
                const p1 = tile + (height > 1 ? aRow : 0);
                const p2 = tile + (height > 2 ? aRow << 1 : 0);
                const p3 = tile + (height > 3 ? aRow * 3 : 0);
                tileOfRows(tile, p1, p2, p3, panel, step, inner, to, toRow, full && add);
              } else if (ii < placed) {
                tileOfPanel(aBlock + ii * aRow, aColumn, panel, step, inner, to, toRow, full && add);
              } else {
                tileOfPanel(packedA + (ii - placed) * (inner << 2), 16, panel, step, inner, to, toRow, full && add);
              }
              if (!full) copyTile(spare, at, cRow, height, width, add);
              at += cRow << 2;
            }
          }
        }
      }
    }
    a += aBatch << 2;
    b += bBatch << 2;
    c += (m * n) << 2;
  }
}

/** A tile of C from four rows of A, each contiguous. */
export function tileOfRows(
  p0: usize,
  p1: usize,
  p2: usize,
  p3: usize,
  b: usize,
  step: usize,
  k: usize,
  c: usize,
  cRow: usize,
  add: bool,
): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  const end = p0 + (k << 2);
  while (p0 < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(p0);
    c00 = f32x4.add(c00, f32x4.mul(x, b0));
    c01 = f32x4.add(c01, f32x4.mul(x, b1));
    x = v128.load32_splat(p1);
    c10 = f32x4.add(c10, f32x4.mul(x, b0));
    c11 = f32x4.add(c11, f32x4.mul(x, b1));
    x = v128.load32_splat(p2);
    c20 = f32x4.add(c20, f32x4.mul(x, b0));
    c21 = f32x4.add(c21, f32x4.mul(x, b1));
    x = v128.load32_splat(p3);
    c30 = f32x4.add(c30, f32x4.mul(x, b0));
    c31 = f32x4.add(c31, f32x4.mul(x, b1));
    b += step;
    p0 += 4;
    p1 += 4;
    p2 += 4;
    p3 += 4;
  }
  storeRow(c, c00, c01, add);
  storeRow(c + cRow, c10, c11, add);
  storeRow(c + (cRow << 1), c20, c21, add);
  storeRow(c + cRow * 3, c30, c31, add);
}

/** A tile of C from a panel of A, packed or in place: four numbers, one of each row, then the next four. */
export function tileOfPanel(
  p: usize,
  aStep: usize,
  b: usize,
  step: usize,
  k: usize,
  c: usize,
  cRow: usize,
  add: bool,
): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  const end = p + k * aStep;
  while (p < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(p);
    c00 = f32x4.add(c00, f32x4.mul(x, b0));
    c01 = f32x4.add(c01, f32x4.mul(x, b1));
    x = v128.load32_splat(p, 4);
    c10 = f32x4.add(c10, f32x4.mul(x, b0));
    c11 = f32x4.add(c11, f32x4.mul(x, b1));
    x = v128.load32_splat(p, 8);
    c20 = f32x4.add(c20, f32x4.mul(x, b0));
    c21 = f32x4.add(c21, f32x4.mul(x, b1));
    x = v128.load32_splat(p, 12);
    c30 = f32x4.add(c30, f32x4.mul(x, b0));
    c31 = f32x4.add(c31, f32x4.mul(x, b1));
    b += step;
    p += aStep;
  }
  storeRow(c, c00, c01, add);
  storeRow(c + cRow, c10, c11, add);
  storeRow(c + (cRow << 1), c20, c21, add);
  storeRow(c + cRow * 3, c30, c31, add);
}

function storeRow(c: usize, low: v128, high: v128, add: bool): void {
  if (add) {
    v128.store(c, f32x4.add(v128.load(c), low));
    v128.store(c, f32x4.add(v128.load(c, 16), high), 16);
  } else {
    v128.store(c, low);
    v128.store(c, high, 16);
  }
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
