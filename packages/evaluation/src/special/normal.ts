import { crossing } from './crossing.js';

/**
 * Φ(x) = P(Z ≤ x) of a standard normal Z, to about 1e-14 of its value in the lower tail too: near 0 by the series
 *
 *   Φ(x) = ½ + φ(x) (x + x³/3 + x⁵/(3·5) + x⁷/(3·5·7) + ...)
 *
 * and in the tails by Laplace's continued fraction Φ(−x) = φ(x) / (x + 1/(x + 2/(x + 3/(x + ...)))).
 *
 * @see Abramowitz and Stegun 1964, 26.2.11 and 26.2.14
 */
export function normalCdf(x: number): number {
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  if (Math.abs(x) >= 2) {
    const from = Math.abs(x);
    let fraction = from;
    for (let k = 100; k >= 1; k--) fraction = from + k / fraction; // at 2, the slowest, the rest is below 1e-24
    return x < 0 ? density / fraction : 1 - density / fraction;
  }
  let [term, sum] = [x, x];
  for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(sum); k += 2) {
    term *= (x * x) / k;
    sum += term;
  }
  return 0.5 + density * sum;
}

/** Φ⁻¹(p), the number that a standard normal stays below with probability p; −∞ at 0 and ∞ at 1. */
export function normalQuantile(p: number): number {
  if (p <= 0) return Number.NEGATIVE_INFINITY;
  if (p === 0.5) return 0;
  return p > 0.5 ? -normalQuantile(1 - p) : crossing((x) => normalCdf(x) - p, -39, 0);
}
