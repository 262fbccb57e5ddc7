/** n / d in lowest terms, d positive. */
export interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

/** Beyond this many bits exactness is given up for float64. */
const MAX_BITS = 2048;

/** n / d in lowest terms; `undefined` for d = 0 and for numbers that are too long. */
export function rational(n: bigint, d: bigint = 1n): Rational | undefined {
  if (d === 0n || tooLong(n) || tooLong(d)) return undefined;
  let [a, b] = [n < 0n ? -n : n, d < 0n ? -d : d];
  while (b !== 0n) [a, b] = [b, a % b];
  const sign = d < 0n ? -1n : 1n;
  return a === 0n ? { n: 0n, d: 1n } : { n: (sign * n) / a, d: (sign * d) / a };
}

const LIMIT = 1n << BigInt(MAX_BITS);
const tooLong = (x: bigint): boolean => x > LIMIT || x < -LIMIT;

export const add = (a: Rational, b: Rational): Rational | undefined => rational(a.n * b.d + b.n * a.d, a.d * b.d);
export const multiply = (a: Rational, b: Rational): Rational | undefined => rational(a.n * b.n, a.d * b.d);
export const divide = (a: Rational, b: Rational): Rational | undefined => rational(a.n * b.d, a.d * b.n);

/** a^k for a whole k, where the result is not too long. */
export function power(a: Rational, k: number): Rational | undefined {
  const bits = Math.max(a.n.toString(2).length, a.d.toString(2).length);
  if (!Number.isInteger(k) || (bits > 1 && Math.abs(k) * (bits - 1) > MAX_BITS) || Math.abs(k) > 1e6) return undefined;
  const [n, d] = [a.n ** BigInt(Math.abs(k)), a.d ** BigInt(Math.abs(k))];
  return k < 0 ? rational(d, n) : rational(n, d);
}

/** The number that a decimal literal like `-1.50` or `3e-4` denotes. */
export function rationalOf(literal: string): Rational | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/.exec(literal);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  if (whole + fraction === '' || whole.length + fraction.length > 600) return undefined;
  const digits = BigInt(`${whole}${fraction}`);
  const shift = Number(exponent) - fraction.length;
  const n = sign === '-' ? -digits : digits;
  return shift >= 0 ? rational(n * 10n ** BigInt(shift)) : rational(n, 10n ** BigInt(-shift));
}

/** The nearest float64, also where numerator and denominator have none. */
export function toNumber({ n, d }: Rational): number {
  const direct = Number(n) / Number(d);
  if (Number.isFinite(direct) && Math.abs(Number(n)) < 1e300 && Number(d) < 1e300) return direct;
  const shift = BigInt(Math.max(0, Math.max(n.toString(2).length, d.toString(2).length) - 1000));
  return Number(n >> shift) / Number(d >> shift);
}

/** Whether it has a finite decimal expansion: no prime but 2 and 5 below. */
export function isDecimal({ d }: Rational): boolean {
  let rest = d;
  for (const prime of [2n, 5n]) while (rest % prime === 0n) rest /= prime;
  return rest === 1n;
}
