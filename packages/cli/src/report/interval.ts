import { type BinaryMetrics, wilsonInterval } from '@tsrl/evaluation';

export type Interval = readonly [lower: number, upper: number];

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
    { rate: tp / positives, interval: wilsonInterval(tp, positives) },
    { rate: tn / (n - positives), interval: wilsonInterval(tn, n - positives) },
  ];
  const reach = (end: 'lower' | 'upper'): number =>
    Math.hypot(...rates.map(({ rate, interval }) => rate - interval[end])) / 2;
  return [balancedAccuracy - reach('lower'), balancedAccuracy + reach('upper')];
}
