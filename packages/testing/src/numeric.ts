/** How far two numbers may be apart: `absolute + relative · |expected|`. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

/** Host code computes in float64 (decisions.md, 5). */
export const float64: Tolerance = { absolute: 1e-9, relative: 1e-7 };

/** Device code is float32 (decisions.md, 5). */
export const float32: Tolerance = { absolute: 1e-6, relative: 2e-5 };

/**
 * The largest error between two arrays in units of the tolerance: at most 1 when they agree.
 * NaN agrees with NaN, an infinity with itself only; a difference in length is an infinite error.
 */
export function maxError(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { absolute, relative }: Tolerance = float64,
): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    const a = actual[i] as number;
    const b = expected[i] as number;
    if (Object.is(a, b) || a === b) continue;
    const error = Math.abs(a - b) / (absolute + relative * Math.abs(b));
    worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  }
  return worst;
}

/**
 * The gradient of `f` at `x` by central differences in float64, coordinate by coordinate:
 *
 *   (f(x + h eᵢ) − f(x − h eᵢ)) / 2h
 *
 * `f` is the oracle of a test, written over plain numbers: float32 code is too coarse to be differenced itself.
 */
export function finiteDifference(
  f: (x: Float64Array) => number,
  x: ArrayLike<number>,
  step: number = 1e-5,
): Float64Array {
  const at = Float64Array.from(x);
  return at.map((value, i) => {
    at[i] = value + step;
    const above = f(at);
    at[i] = value - step;
    const below = f(at);
    at[i] = value;
    return (above - below) / (2 * step);
  });
}

/**
 * What float32 cannot do better: how far each entry of `f(x)` moves when each input moves by one float32 ulp,
 *
 *   Σᵢ max(|f(x + uᵢ eᵢ) − f(x)|, |f(x − uᵢ eᵢ) − f(x)|),  uᵢ = ulp₃₂(xᵢ)
 *
 * `f` is the float64 oracle of a test. A bound for the few inputs where a plain tolerance is too much to ask.
 */
export function float32Condition(f: (x: Float64Array) => ArrayLike<number>, x: ArrayLike<number>): Float64Array {
  const at = Float64Array.from(x);
  const here = Float64Array.from(f(at));
  const moved = new Float64Array(here.length);
  at.forEach((value, i) => {
    const ulp = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -126))) - 23);
    at[i] = value + ulp;
    const above = Float64Array.from(f(at));
    at[i] = value - ulp;
    const below = Float64Array.from(f(at));
    at[i] = value;
    here.forEach((y, j) => {
      moved[j]! += Math.max(Math.abs(above[j]! - y), Math.abs(below[j]! - y));
    });
  });
  return moved;
}
