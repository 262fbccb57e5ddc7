import { incompleteBeta } from './beta.js';
import { crossing } from './crossing.js';

/**
 * P(T > t) of Student's t with ν > 0 degrees of freedom: ½ I_{ν/(ν+t²)}(ν/2, ½) for t ≥ 0, to about 1e-12 of its value
 * or, for thousands of degrees, 1e-16 ν/t².
 */
export function studentTail(t: number, df: number): number {
  if (t < 0) return 1 - studentTail(-t, df);
  if (t === Number.POSITIVE_INFINITY) return 0;
  const square = t * t;
  return incompleteBeta(df / (df + square), df / 2, 0.5, square / (df + square)) / 2;
}

/** The number that Student's t with ν degrees of freedom stays below with probability p in (0, 1). */
export function studentQuantile(p: number, df: number): number {
  if (p === 0.5) return 0;
  if (p < 0.5) return -studentQuantile(1 - p, df);
  const above = 1 - p;
  let high = 1;
  while (studentTail(high, df) > above) high *= 2;
  return crossing((t) => above - studentTail(t, df), 0, high);
}
