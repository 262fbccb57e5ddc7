/**
 * softplus(x) = log(1 + eˣ), as max(x, 0) + log1p(e^−|x|): exact to rounding for every x, and never overflows.
 * With x the log-odds of an event of probability p it is −log(1 − p), and softplus(−x) = −log p.
 */
export const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** logSigmoid(x) = log(1 / (1 + e^−x)) = −softplus(−x): the log-probability of an event whose log-odds are x. */
export const logSigmoid = (x: number): number => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));

/** sigmoid(x) = 1 / (1 + e^−x), by the branch whose exponential cannot overflow. */
export function sigmoid(x: number): number {
  const small = Math.exp(-Math.abs(x));
  return x >= 0 ? 1 / (1 + small) : small / (1 + small);
}
