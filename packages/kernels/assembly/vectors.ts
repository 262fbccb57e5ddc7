// Sums, products and exponentials of rows of n numbers, of which the layers are made.

import { EXP_CONSTANTS, exp4, LEAST, storeExpConstants } from './exp';

// `work` holds what `exp` needs: the constants of exp.ts, log2(e), and the x below which it is 0.
const SLOPE: usize = EXP_CONSTANTS;
const LOWEST: usize = SLOPE + 16;
const LOG2_E: f32 = 1.4426950408889634;

/** How many bytes `prepare` fills. */
export function workBytes(): usize {
  return LOWEST + 16;
}

/** Must precede the functions that are given `work`. */
export function prepare(work: usize): void {
  storeExpConstants(work);
  v128.store(work, f32x4.splat(LOG2_E), SLOPE);
  v128.store(work, f32x4.splat(LEAST / LOG2_E), LOWEST);
}

/** exp(x) for x <= 0; 0 of −∞, NaN of NaN. */
@inline
export function exp(x: v128, work: usize): v128 {
  return exp4(
    f32x4.pmax(x, v128.load(work, LOWEST)),
    v128.load(work, SLOPE),
    v128.load(work),
    v128.load(work, 16),
    v128.load(work, 32),
    v128.load(work, 48),
    v128.load(work, 64),
    v128.load(work, 80),
  );
}

/** Four lanes as one number, in float64. */
@inline
export function lanes(x: v128): f64 {
  return (
    <f64>f32x4.extract_lane(x, 0) +
    <f64>f32x4.extract_lane(x, 1) +
    (<f64>f32x4.extract_lane(x, 2) + <f64>f32x4.extract_lane(x, 3))
  );
}

/** Σ a b over n numbers. */
export function dot(a: usize, b: usize, n: usize): f64 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  const end = a + (n << 2);
  while (a + 64 <= end) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load(a), v128.load(b)));
    s1 = f32x4.add(s1, f32x4.mul(v128.load(a, 16), v128.load(b, 16)));
    s2 = f32x4.add(s2, f32x4.mul(v128.load(a, 32), v128.load(b, 32)));
    s3 = f32x4.add(s3, f32x4.mul(v128.load(a, 48), v128.load(b, 48)));
    a += 64;
    b += 64;
  }
  while (a + 16 <= end) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load(a), v128.load(b)));
    a += 16;
    b += 16;
  }
  while (a < end) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load32_zero(a), v128.load32_zero(b)));
    a += 4;
    b += 4;
  }
  return lanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
}

/** Σ a b c over n numbers. */
export function dot3(a: usize, b: usize, c: usize, n: usize): f64 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  const end = a + (n << 2);
  while (a + 32 <= end) {
    s0 = f32x4.add(s0, f32x4.mul(f32x4.mul(v128.load(a), v128.load(b)), v128.load(c)));
    s1 = f32x4.add(s1, f32x4.mul(f32x4.mul(v128.load(a, 16), v128.load(b, 16)), v128.load(c, 16)));
    a += 32;
    b += 32;
    c += 32;
  }
  while (a + 16 <= end) {
    s0 = f32x4.add(s0, f32x4.mul(f32x4.mul(v128.load(a), v128.load(b)), v128.load(c)));
    a += 16;
    b += 16;
    c += 16;
  }
  while (a < end) {
    s0 = f32x4.add(s0, f32x4.mul(f32x4.mul(v128.load32_zero(a), v128.load32_zero(b)), v128.load32_zero(c)));
    a += 4;
    b += 4;
    c += 4;
  }
  return lanes(f32x4.add(s0, s1));
}

/** Σ a over n numbers. */
export function sum(a: usize, n: usize): f64 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  const end = a + (n << 2);
  while (a + 32 <= end) {
    s0 = f32x4.add(s0, v128.load(a));
    s1 = f32x4.add(s1, v128.load(a, 16));
    a += 32;
  }
  while (a < end) {
    s0 = f32x4.add(s0, v128.load32_zero(a));
    a += 4;
  }
  return lanes(f32x4.add(s0, s1));
}

/** Σ (a − mean)² over n numbers. */
export function squares(a: usize, mean: f32, n: usize): f64 {
  const m = f32x4.splat(mean);
  let s0 = f32x4.splat(0);
  let s1 = s0;
  const end = a + (n << 2);
  while (a + 32 <= end) {
    const x = f32x4.sub(v128.load(a), m);
    const y = f32x4.sub(v128.load(a, 16), m);
    s0 = f32x4.add(s0, f32x4.mul(x, x));
    s1 = f32x4.add(s1, f32x4.mul(y, y));
    a += 32;
  }
  let rest: f64 = 0;
  while (a < end) {
    const x = load<f32>(a) - mean;
    rest += <f64>(x * x);
    a += 4;
  }
  return lanes(f32x4.add(s0, s1)) + rest;
}

/** to += from over n numbers; from becomes 0. */
export function drain(from: usize, to: usize, n: usize): void {
  const zero = f32x4.splat(0);
  const end = from + (n << 2);
  while (from + 16 <= end) {
    v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
    v128.store(from, zero);
    from += 16;
    to += 16;
  }
  while (from < end) {
    store<f32>(to, load<f32>(to) + load<f32>(from));
    store<f32>(from, 0);
    from += 4;
    to += 4;
  }
}

/** The largest of n ≥ 1 numbers; NaN counts as nothing, and comes back through the exponentials. */
export function top(x: usize, n: usize): f32 {
  let m0 = f32x4.splat(-Infinity);
  let m1 = m0;
  const end = x + (n << 2);
  while (x + 32 <= end) {
    m0 = f32x4.pmax(m0, v128.load(x));
    m1 = f32x4.pmax(m1, v128.load(x, 16));
    x += 32;
  }
  m0 = f32x4.pmax(m0, m1);
  while (x < end) {
    m0 = f32x4.pmax(m0, v128.load32_splat(x));
    x += 4;
  }
  return max(
    max(f32x4.extract_lane(m0, 0), f32x4.extract_lane(m0, 1)),
    max(f32x4.extract_lane(m0, 2), f32x4.extract_lane(m0, 3)),
  );
}

/** y = exp(x − m) over n numbers, and their sum. The constants of `exp` stay in registers. */
export function exponentials(x: usize, m: f32, y: usize, n: usize, work: usize): f64 {
  const most = f32x4.splat(m);
  const lowest = v128.load(work, LOWEST);
  const slope = v128.load(work, SLOPE);
  const shift = v128.load(work);
  const c1 = v128.load(work, 16);
  const c2 = v128.load(work, 32);
  const c3 = v128.load(work, 48);
  const c4 = v128.load(work, 64);
  const c5 = v128.load(work, 80);
  let s0 = f32x4.splat(0);
  let s1 = s0;
  const end = x + (n << 2);
  while (x + 32 <= end) {
    const z0 = f32x4.pmax(f32x4.sub(v128.load(x), most), lowest);
    const z1 = f32x4.pmax(f32x4.sub(v128.load(x, 16), most), lowest);
    const e0 = exp4(z0, slope, shift, c1, c2, c3, c4, c5);
    const e1 = exp4(z1, slope, shift, c1, c2, c3, c4, c5);
    s0 = f32x4.add(s0, e0);
    s1 = f32x4.add(s1, e1);
    v128.store(y, e0);
    v128.store(y, e1, 16);
    x += 32;
    y += 32;
  }
  let total = lanes(f32x4.add(s0, s1));
  while (x < end) {
    const e = exp(f32x4.sub(v128.load32_splat(x), most), work);
    v128.store_lane<f32>(y, e, 0);
    total += <f64>f32x4.extract_lane(e, 0);
    x += 4;
    y += 4;
  }
  return total;
}

/** x = c x over n numbers. */
export function times(x: usize, factor: f32, n: usize): void {
  const c = f32x4.splat(factor);
  const end = x + (n << 2);
  while (x + 16 <= end) {
    v128.store(x, f32x4.mul(v128.load(x), c));
    x += 16;
  }
  while (x < end) {
    store<f32>(x, load<f32>(x) * factor);
    x += 4;
  }
}
