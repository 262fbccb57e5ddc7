import type { BinaryMetrics } from '@tsrl/evaluation';

export type Interval = readonly [lower: number, upper: number];

const z = 1.959963984540054;

/** Wilson's 95 % interval of a share: (p̂ + z²/2n ± z √(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n); [0, 1] without trials. */
export function wilson(successes: number, trials: number): Interval {
  if (trials === 0) return [0, 1];
  const p = successes / trials;
  const half = z * Math.sqrt((p * (1 - p)) / trials + z ** 2 / (4 * trials ** 2));
  const [centre, scale] = [p + z ** 2 / (2 * trials), 1 + z ** 2 / trials];
  return [Math.max(0, (centre - half) / scale), Math.min(1, (centre + half) / scale)];
}

/**
 * 95 % interval of the balanced accuracy over test sets of this size: the intervals of sensitivity and specificity,
 * which are independent, joined by the square-and-add rule (MOVER). It holds at 0 and 1 too. `null` when a class is
 * missing.
 *
 * @see Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10
 */
export function balancedAccuracyInterval({
  confusion,
  positives,
  n,
  balancedAccuracy,
}: BinaryMetrics): Interval | null {
  if (positives === 0 || positives === n) return null;
  const [[tn], [, tp]] = confusion;
  const rates = [
    { rate: tp / positives, interval: wilson(tp, positives) },
    { rate: tn / (n - positives), interval: wilson(tn, n - positives) },
  ];
  const reach = (end: 0 | 1): number => Math.hypot(...rates.map(({ rate, interval }) => rate - interval[end])) / 2;
  return [balancedAccuracy - reach(0), balancedAccuracy + reach(1)];
}

/**
 * McNemar's exact test, two-sided: p = min(1, 2 P(Binomial(b + c, ½) ≤ min(b, c))) for b texts that only the one
 * classifier gets right and c that only the other does; 1 without any.
 */
export function mcnemar(b: number, c: number): number {
  const n = b + c;
  let logTerm = -n * Math.LN2;
  let tail = 0;
  for (let k = 0; k <= Math.min(b, c); k++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((n - k) / (k + 1));
  }
  return Math.min(1, 2 * tail);
}
