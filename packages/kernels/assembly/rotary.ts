// Rotary positions.

/**
 * Turns the halves of each head by its position, or back with `sign` −1. x is [rows, heads, size] with row r at position
 * r % length; `table` is [length, 2, size / 2], the cosines of a position before its sines.
 */
export function rotate(
  x: usize,
  table: usize,
  sign: f32,
  y: usize,
  rows: usize,
  length: usize,
  heads: usize,
  size: usize,
): void {
  for (let row: usize = 0; row < rows; row++) {
    const at = table + (((row % length) * size) << 2);
    for (let head: usize = 0; head < heads; head++) {
      rotateHead(x, at, sign, y, size);
      x += size << 2;
      y += size << 2;
    }
  }
}

export function rotateHead(x: usize, table: usize, sign: f32, y: usize, size: usize): void {
  const half = (size >> 1) << 2;
  const turn = f32x4.splat(sign);
  let at: usize = 0;
  for (; at + 16 <= half; at += 16) {
    const c = v128.load(table + at);
    const s = f32x4.mul(v128.load(table + half + at), turn);
    const a = v128.load(x + at);
    const b = v128.load(x + half + at);
    v128.store(y + at, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
    v128.store(y + half + at, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
  }
  for (; at < half; at += 4) {
    const c = load<f32>(table + at);
    const s = load<f32>(table + half + at) * sign;
    const a = load<f32>(x + at);
    const b = load<f32>(x + half + at);
    store<f32>(y + at, a * c - b * s);
    store<f32>(y + half + at, b * c + a * s);
  }
}
