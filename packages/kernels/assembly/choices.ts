// Comparisons of numbers, and choices among them. A truth is a byte, 0 or 1. An operand is n numbers, or one for all.

const GREATER: u32 = 0;
const MAXIMUM: u32 = 0;

@inline
function operand(at: usize, offset: usize, many: bool, one: v128): v128 {
  return many ? v128.load(at + offset) : one;
}

@inline
function above(kind: u32, a: v128, b: v128): v128 {
  return kind === GREATER ? f32x4.gt(a, b) : f32x4.ge(a, b);
}

/** out[i] = a[i] > b[i] (0) or a[i] >= b[i] (1); of NaN neither. */
export function compare(kind: u32, a: usize, aMany: bool, b: usize, bMany: bool, out: usize, n: usize): void {
  const one = i8x16.splat(1);
  const a1 = v128.load32_splat(a);
  const b1 = v128.load32_splat(b);
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) {
    const at = i << 2;
    const c0 = above(kind, operand(a, at, aMany, a1), operand(b, at, bMany, b1));
    const c1 = above(kind, operand(a, at + 16, aMany, a1), operand(b, at + 16, bMany, b1));
    const c2 = above(kind, operand(a, at + 32, aMany, a1), operand(b, at + 32, bMany, b1));
    const c3 = above(kind, operand(a, at + 48, aMany, a1), operand(b, at + 48, bMany, b1));
    const low = i16x8.narrow_i32x4_s(c0, c1);
    const high = i16x8.narrow_i32x4_s(c2, c3);
    v128.store(out + i, v128.and(i8x16.narrow_i16x8_s(low, high), one));
  }
  for (; i < n; i++) {
    const x = load<f32>(aMany ? a + (i << 2) : a);
    const y = load<f32>(bMany ? b + (i << 2) : b);
    store<u8>(out + i, kind === GREATER ? x > y : x >= y);
  }
}

/** out[i] = the larger (0) or the smaller (1) of a[i] and b[i]; NaN where one of them is. */
export function extreme(kind: u32, a: usize, aMany: bool, b: usize, bMany: bool, out: usize, n: usize): void {
  const a1 = v128.load32_splat(a);
  const b1 = v128.load32_splat(b);
  const bytes = n << 2;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    const x = operand(a, at, aMany, a1);
    const y = operand(b, at, bMany, b1);
    v128.store(out + at, kind === MAXIMUM ? f32x4.max(x, y) : f32x4.min(x, y));
  }
  for (; at < bytes; at += 4) {
    const x = load<f32>(aMany ? a + at : a);
    const y = load<f32>(bMany ? b + at : b);
    store<f32>(out + at, kind === MAXIMUM ? max<f32>(x, y) : min<f32>(x, y));
  }
}

/** out[i] = yes[i] where the truth is 1, no[i] where it is 0. */
export function choose(truths: usize, yes: usize, no: usize, out: usize, n: usize): void {
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) {
    const at = i << 2;
    const wide = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(truths + i)));
    const not = i32x4.eq(wide, i32x4.splat(0));
    v128.store(out + at, v128.bitselect(v128.load(no + at), v128.load(yes + at), not));
  }
  for (; i < n; i++) {
    const at = i << 2;
    store<f32>(out + at, load<f32>((load<u8>(truths + i) !== 0 ? yes : no) + at));
  }
}

/** out[i] = the larger of `least` and the smaller of `most` and x[i]; NaN of NaN. */
export function clip(x: usize, out: usize, n: usize, least: f32, most: f32): void {
  const low = f32x4.splat(least);
  const high = f32x4.splat(most);
  const bytes = n << 2;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(out + at, f32x4.max(low, f32x4.min(v128.load(x + at), high)));
  for (; at < bytes; at += 4) store<f32>(out + at, max<f32>(least, min<f32>(load<f32>(x + at), most)));
}

/** out[i] = 1 where both truths are not 0. */
export function both(a: usize, b: usize, out: usize, n: usize): void {
  const zero = i8x16.splat(0);
  const one = i8x16.splat(1);
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) {
    const missing = v128.or(i8x16.eq(v128.load(a + i), zero), i8x16.eq(v128.load(b + i), zero));
    v128.store(out + i, v128.andnot(one, missing));
  }
  for (; i < n; i++) store<u8>(out + i, load<u8>(a + i) !== 0 && load<u8>(b + i) !== 0 ? 1 : 0);
}

/** out[i] = 1 where the truth is 0. */
export function not(truths: usize, out: usize, n: usize): void {
  const zero = i8x16.splat(0);
  const one = i8x16.splat(1);
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) v128.store(out + i, v128.and(i8x16.eq(v128.load(truths + i), zero), one));
  for (; i < n; i++) store<u8>(out + i, load<u8>(truths + i) === 0 ? 1 : 0);
}
