// Lanczos, g = 7, n = 9 (Godfrey): a relative error of the order of 1e-15 from 1/2 on.
const g = 7;
const coefficients: readonly number[] = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** ln Γ(x) for x > 0. */
export function logGamma(x: number): number {
  if (x === 1 || x === 2) return 0; // exactly, so that the density of Beta(1, 1) is 1
  if (x < 0.5) return logGamma(x + 1) - Math.log(x);
  let sum = coefficients[0] as number;
  for (let i = 1; i < coefficients.length; i++) sum += (coefficients[i] as number) / (x - 1 + i);
  const t = x + g - 0.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** ln B(a, b) = ln Γ(a) + ln Γ(b) − ln Γ(a + b) for a, b > 0. */
export const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b);

/**
 * One over the density of Beta(α, β) at p strictly between 0 and 1:
 *
 *   B(α, β) p^(1 − α) (1 − p)^(1 − β)
 */
export function inverseBetaDensity(p: number, alpha: number, beta: number): number {
  return Math.exp(logBeta(alpha, beta) - (alpha - 1) * Math.log(p) - (beta - 1) * Math.log1p(-p));
}
