// Exponential and logarithm without tables: AssemblyScript's own bring static data, which no module here may have.

/** 1.5 · 2²³ + 127: adding it rounds to the nearest integer n, and leaves n + 127 in the lowest bits. */
const SHIFT: f32 = 12583039;

/** The last y of which 2^y is not 0; NaN and −∞ must be kept from going below. */
export const LEAST: f32 = -127;

/** How many bytes `storeExpConstants` writes. */
export const EXP_CONSTANTS: usize = 96;

/**
 * What `exp4` needs beside z, as six vectors: its shift and c1 ... c5. They are loaded before a loop, because the engine
 * would rebuild a literal vector, by three instructions, in every step of it. The polynomial 1 + c1 f + ... + c5 f⁵ is
 * 2^f for |f| <= 1/2 within 1.1e-7, relatively: the minimax one with c0 = 1, so that exp(0) is exactly 1.
 */
export function storeExpConstants(at: usize): void {
  v128.store(at, f32x4.splat(SHIFT));
  v128.store(at, f32x4.splat(0.6931468844413757), 16);
  v128.store(at, f32x4.splat(0.24022255837917328), 32);
  v128.store(at, f32x4.splat(0.05550861731171608), 48);
  v128.store(at, f32x4.splat(0.009670848026871681), 64);
  v128.store(at, f32x4.splat(0.0013224799185991287), 80);
}

/**
 * 2^(slope z) of four numbers, for LEAST <= slope z < 128; exactly 0 at LEAST, NaN of NaN. So z must have been through
 * `pmax(z, LEAST / slope)`, in this order of the operands, which passes NaN on.
 *
 * The rounding of slope z costs |slope z| 2⁻²⁵, relatively, the rest about 2e-7.
 */
export function exp4(z: v128, slope: v128, shift: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128): v128 {
  let t: v128;
  let f: v128;
  if (ASC_FEATURE_RELAXED_SIMD) {
    t = f32x4.relaxed_madd(z, slope, shift);
    f = f32x4.relaxed_madd(z, slope, f32x4.sub(shift, t));
  } else {
    const y = f32x4.mul(z, slope);
    t = f32x4.add(y, shift);
    f = f32x4.sub(y, f32x4.sub(t, shift));
  }
  let p = madd(f, c5, c4);
  p = madd(f, p, c3);
  p = madd(f, p, c2);
  p = madd(f, p, c1);
  // A product, not a sum of exponents: it passes every NaN on, and is 0 where the power is.
  const power = i32x4.shl(t, 23);
  return madd(f32x4.mul(f, p), power, power);
}

/** a b + c, rounded once or twice. */
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** The sum of four numbers, in float64. */
export function total(v: v128): f64 {
  const sum = f64x2.add(f64x2.promote_low_f32x4(v), f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3)));
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** exp(x) in float64 within 1e-12, relatively, for -700 <= x <= 700; NaN of NaN. */
export function expOf(x: f64): f64 {
  if (!(x < Infinity)) return x;
  const y = x * Math.LOG2E;
  const n = nearest<f64>(y);
  const u = (y - n) * Math.LN2;
  let p = 1 / 39916800.0;
  p = p * u + 1 / 3628800.0;
  p = p * u + 1 / 362880.0;
  p = p * u + 1 / 40320.0;
  p = p * u + 1 / 5040.0;
  p = p * u + 1 / 720.0;
  p = p * u + 1 / 120.0;
  p = p * u + 1 / 24.0;
  p = p * u + 1 / 6.0;
  p = p * u + 0.5;
  p = p * u + 1;
  p = p * u + 1;
  return p * reinterpret<f64>((<i64>n + 1023) << 52);
}

/** log(x) in float64 within 1e-13 for x >= 0 that is no subnormal; NaN of NaN, which its bits would make a number. */
export function logOf(x: f64): f64 {
  if (!(x < Infinity)) return x;
  if (x === 0) return -Infinity;
  // x = 2^n m with m between √½ and √2, and log m = 2 artanh(s).
  const bits = reinterpret<i64>(x);
  const n = (bits - ((<i64>0x3fe6a09e) << 32)) >> 52;
  const m = reinterpret<f64>(bits - (n << 52));
  const s = (m - 1) / (m + 1);
  const q = s * s;
  let p = 1 / 19.0;
  p = p * q + 1 / 17.0;
  p = p * q + 1 / 15.0;
  p = p * q + 1 / 13.0;
  p = p * q + 1 / 11.0;
  p = p * q + 1 / 9.0;
  p = p * q + 1 / 7.0;
  p = p * q + 1 / 5.0;
  p = p * q + 1 / 3.0;
  p = p * q + 1;
  return <f64>n * Math.LN2 + 2 * s * p;
}
