/** Coefficients of Stirling's series δ(x) = 1/(12x) − 1/(360x³) + ..., B₂ₖ/(2k(2k − 1)). */
const STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400] as const;

/** δ(x) of log Γ(x) = (x − ½) log x − x + ½ log 2π + δ(x); from 10 on to 1e-17. */
const stirling = (x: number): number => STIRLING.reduceRight((rest, c) => rest / (x * x) + c, 0) / x;

/**
 * log B(a, b) = log Γ(a) + log Γ(b) − log Γ(a + b) for a, b > 0. The recurrence B(a, b) = B(a + 1, b) (a + b)/a raises
 * both above 10, where Stirling's series is exact and the large terms of the three logarithms cancel on paper.
 */
export function logBeta(a: number, b: number): number {
  if (a < 10) return logBeta(a + 1, b) + Math.log1p(b / a);
  if (b < 10) return logBeta(b, a);
  return (
    (Math.log(2 * Math.PI) - Math.log(b)) / 2 -
    (a - 0.5) * Math.log1p(b / a) -
    b * Math.log1p(a / b) +
    stirling(a) +
    stirling(b) -
    stirling(a + b)
  );
}

/**
 * The regularised incomplete beta function I_x(a, b), the probability that a Beta(a, b) variable is at most x, by its
 * continued fraction (modified Lentz), on the side of the mean where it converges fast.
 *
 * @param y 1 − x, for a caller who knows it better than the subtraction does
 * @see Abramowitz and Stegun 1964, 26.5.8
 */
export function incompleteBeta(x: number, a: number, b: number, y: number = 1 - x): number {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(y, b, a, x);
  const logX = x < 0.5 ? Math.log(x) : Math.log1p(-y);
  const logY = y < 0.5 ? Math.log(y) : Math.log1p(-x);
  return Math.exp(a * logX + b * logY - logBeta(a, b)) / (a * fraction(x, a, b));
}

/** 1 + d₁/(1 + d₂/(1 + ...)): about √max(a, b) terms are needed. */
function fraction(x: number, a: number, b: number): number {
  let [value, c, d] = [1, 1, 0];
  for (let k = 1; k <= 100_000; k++) {
    const m = k >> 1;
    const term =
      k % 2 === 0
        ? (m * (b - m) * x) / ((a + k - 1) * (a + k))
        : (-(a + m) * (a + b + m) * x) / ((a + k - 1) * (a + k));
    d = 1 / awayFromZero(1 + term * d);
    c = awayFromZero(1 + term / c);
    value *= c * d;
    if (Math.abs(c * d - 1) < 1e-16) break;
  }
  return value;
}

const awayFromZero = (x: number): number => (Math.abs(x) < 1e-300 ? 1e-300 : x);
