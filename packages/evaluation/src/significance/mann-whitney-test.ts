import { expectFiniteValues } from '../finite-values.js';
import { normalCdf } from '../special/normal.js';

/** Up to here the law of the ranks is computed. */
const EXACT = 60;

/** The outcome of {@link mannWhitneyTest}, as plain JSON. */
export type MannWhitneyTest = {
  /** #(x > y) + ½ #(x = y). */
  readonly u: number;
  /** U/(n_X n_Y): the chance that an x exceeds a y, ties counting half. */
  readonly probabilityOfImprovement: number;
  /** Two-sided. */
  readonly pValue: number;
  readonly exact: boolean;
};

/**
 * The Mann-Whitney U test of two independent samples, two-sided. Ties share their ranks.
 *
 * Up to 60 numbers p is exact: the share of all divisions of the ranks seen, ties included, with |U − n_X n_Y/2| at least
 * as large. Beyond it is normal, with the variance corrected for ties and U for continuity by ½:
 *
 *   σ² = n_X n_Y/12 · ((n + 1) − Σ(t³ − t)/(n (n − 1))),   t the sizes of the groups of ties
 *
 * Differences: SciPy's exact method ignores ties. When all numbers are equal p is 1.
 *
 * @throws DataError for no number or one that is not finite
 * @see Mann and Whitney 1947, "On a test of whether one of two random variables is stochastically larger"
 */
export function mannWhitneyTest(x: ArrayLike<number>, y: ArrayLike<number>): MannWhitneyTest {
  expectFiniteValues('mannWhitneyTest', 'x', x);
  expectFiniteValues('mannWhitneyTest', 'y', y);
  const { ranks, ties } = doubledRanks([...Array.from(x), ...Array.from(y)]);
  const [pairs, n] = [x.length * y.length, ranks.length];
  const rankSum = ranks.slice(0, x.length).reduce((a, b) => a + b);
  const doubledU = rankSum - x.length * (x.length + 1);
  const distance = Math.abs(doubledU - pairs); // of 2U from its mean
  const exact = n <= EXACT;
  let pValue = 1;
  if (exact) {
    pValue = exactTail(ranks, x.length, distance);
  } else {
    const deviation = Math.sqrt((pairs / 12) * (n + 1 - ties / (n * (n - 1))));
    if (deviation > 0) pValue = Math.min(1, 2 * normalCdf(-Math.max(0, distance / 2 - 0.5) / deviation));
  }
  return { u: doubledU / 2, probabilityOfImprovement: doubledU / (2 * pairs), pValue, exact };
}

/** Twice the average ranks, whole numbers; and Σ(t³ − t) over groups of ties. */
function doubledRanks(values: readonly number[]): { ranks: number[]; ties: number } {
  const order = values.map((_, i) => i).sort((i, j) => (values[i] as number) - (values[j] as number));
  const ranks = new Array<number>(values.length).fill(0);
  let ties = 0;
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && values[order[end] as number] === values[order[start] as number]) end += 1;
    for (let k = start; k < end; k++) ranks[order[k] as number] = start + 1 + end;
    ties += (end - start) ** 3 - (end - start);
    start = end;
  }
  return { ranks, ties };
}

/** P(|rank sum − mean| ≥ distance) over all choices of n of the ranks: choices counted by size and sum. */
function exactTail(ranks: readonly number[], n: number, distance: number): number {
  const top = ranks.reduce((a, b) => a + b);
  const ways = Array.from({ length: n + 1 }, () => new Float64Array(top + 1));
  (ways[0] as Float64Array)[0] = 1;
  for (const rank of ranks) {
    for (let size = n; size >= 1; size--) {
      const [from, into] = [ways[size - 1] as Float64Array, ways[size] as Float64Array];
      for (let sum = top; sum >= rank; sum--) into[sum]! += from[sum - rank] as number;
    }
  }
  const mean = n * (ranks.length + 1);
  let [extreme, all] = [0, 0];
  for (const [sum, count] of (ways[n] as Float64Array).entries()) {
    all += count;
    if (Math.abs(sum - mean) >= distance) extreme += count;
  }
  return extreme / all;
}
