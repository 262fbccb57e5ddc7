// Numbers of four bytes moved, and rows added where they go. Strides and lengths are in bytes, counts in numbers.

/** Rows of a block whose columns are written as whole lines of the cache. */
const LINES: usize = 16;

/**
 * For each (i, j) of n0 x n1: the `rows` x `columns` numbers at from + i s0 + j s1, whose rows lie `fromRow` apart, to
 * to + i t0 + j t1. With `flip` they become columns x rows; `toRow` lies between the rows there.
 */
export function moveMatrices(
  from: usize,
  to: usize,
  n0: usize,
  s0: usize,
  t0: usize,
  n1: usize,
  s1: usize,
  t1: usize,
  rows: usize,
  columns: usize,
  fromRow: usize,
  toRow: usize,
  flip: bool,
): void {
  for (let i: usize = 0; i < n0; i++) {
    for (let j: usize = 0; j < n1; j++) {
      const source = from + i * s0 + j * s1;
      const target = to + i * t0 + j * t1;
      if (flip) transpose(source, target, rows, columns, fromRow, toRow);
      else copyRows(source, target, rows, columns, fromRow, toRow);
    }
  }
}

export function copyRows(from: usize, to: usize, rows: usize, columns: usize, fromRow: usize, toRow: usize): void {
  const bytes = columns << 2;
  for (; rows > 0; rows--) {
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) v128.store(to + at, v128.load(from + at));
    for (; at < bytes; at += 4) store<u32>(to + at, load<u32>(from + at));
    from += fromRow;
    to += toRow;
  }
}

export function transpose(from: usize, to: usize, rows: usize, columns: usize, fromRow: usize, toRow: usize): void {
  const wide = columns & ~3;
  const high = rows & ~3;
  for (let top: usize = 0; top < high; top += LINES) {
    const height = min(LINES, high - top);
    for (let j: usize = 0; j < wide; j += 4) {
      fourColumns(from + top * fromRow + (j << 2), to + j * toRow + (top << 2), height, fromRow, toRow);
    }
  }
  for (let i: usize = 0; i < rows; i++) {
    for (let j = i < high ? wide : 0; j < columns; j++) {
      store<u32>(to + j * toRow + (i << 2), load<u32>(from + i * fromRow + (j << 2)));
    }
  }
}

/** Four columns of `height` numbers, which are a multiple of four, become rows. */
export function fourColumns(from: usize, to: usize, height: usize, fromRow: usize, toRow: usize): void {
  for (; height > 0; height -= 4) {
    const r0 = v128.load(from);
    const r1 = v128.load(from + fromRow);
    const r2 = v128.load(from + (fromRow << 1));
    const r3 = v128.load(from + fromRow * 3);
    const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
    v128.store(to + toRow, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
    v128.store(to + (toRow << 1), v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
    v128.store(to + toRow * 3, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
    from += fromRow << 2;
    to += 16;
  }
}

/** out[s] = Σ of the rows of x whose id is s, in their order; rows with an id outside [0, segments) are dropped. */
export function sumSegments(x: usize, ids: usize, rows: usize, width: usize, out: usize, segments: u32): void {
  const bytes = width << 2;
  memory.fill(out, 0, segments * bytes);
  for (; rows > 0; rows--) {
    const id = load<u32>(ids);
    if (id < segments) addRow(x, out + id * bytes, bytes);
    x += bytes;
    ids += 4;
  }
}

export function addRow(x: usize, to: usize, bytes: usize): void {
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(x + at)));
  for (; at < bytes; at += 4) store<f32>(to + at, load<f32>(to + at) + load<f32>(x + at));
}

/** out[i] = Σ of row i of x: blocks of at most 1024 numbers in 16 float32 lanes, the blocks in float64. */
export function sumRows(x: usize, rows: usize, width: usize, out: usize): void {
  for (; rows > 0; rows--) {
    let total: f64 = 0;
    for (let rest = width; rest > 0; ) {
      const count = min<usize>(rest, 1024);
      total += sumBlock(x, count);
      x += count << 2;
      rest -= count;
    }
    store<f32>(out, <f32>total);
    out += 4;
  }
}

export function sumBlock(x: usize, count: usize): f64 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  for (; count >= 16; count -= 16) {
    s0 = f32x4.add(s0, v128.load(x));
    s1 = f32x4.add(s1, v128.load(x, 16));
    s2 = f32x4.add(s2, v128.load(x, 32));
    s3 = f32x4.add(s3, v128.load(x, 48));
    x += 64;
  }
  const s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
  let total = <f64>f32x4.extract_lane(s, 0) + <f64>f32x4.extract_lane(s, 1);
  total += <f64>f32x4.extract_lane(s, 2) + <f64>f32x4.extract_lane(s, 3);
  for (; count > 0; count--) {
    total += <f64>load<f32>(x);
    x += 4;
  }
  return total;
}
