import { permutation } from '@tsrl/core';
import { expectFiniteValues, meanOf } from '../finite-values.js';
import { drawnPValue, type PermutationOptions, type PermutationTest } from './test-options.js';

/** Up to here all divisions are gone through. */
const EXACT = 2 ** 20;

/**
 * The permutation test of two independent samples, two-sided: if X and Y are alike, any n_X of the numbers might have
 * been X, so p is the share of the C(n_X + n_Y, n_X) divisions whose means differ by at least as much as those seen.
 * Exact up to 2²⁰ divisions (11 against 11), else from drawn ones, (1 + #extreme)/(1 + B). For runs that share their
 * seeds `signFlipTest` sees more. Differences within 1e-12 of the size of the numbers count as equal.
 *
 * @throws OptionError without an `rng` where it is not exact, DataError for no number or one that is not finite
 * @see Pitman 1937, "Significance tests which may be applied to samples from any populations"
 */
export function permutationTest(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  options: PermutationOptions = {},
): PermutationTest {
  expectFiniteValues('permutationTest', 'x', x);
  expectFiniteValues('permutationTest', 'y', y);
  const difference = meanOf(x) - meanOf(y);
  // Of numbers with mean 0 the difference of the means is the sum of X times (1/n_X + 1/n_Y).
  const all = Float64Array.from([...Array.from(x), ...Array.from(y)]);
  const centre = meanOf(all);
  const centred = all.map((value) => value - centre);
  const size = centred.reduce((sum, value) => sum + Math.abs(value), 0);
  const [chosen, total] = [x.length, all.length];
  const sumOfX = centred.subarray(0, chosen).reduce((a, b) => a + b);
  const observed = Math.abs(sumOfX) - 1e-12 * size;

  const divisions = choose(total, chosen);
  if (divisions <= EXACT) {
    const extreme = (from: number, left: number, sum: number): number => {
      if (left === 0) return Math.abs(sum) >= observed ? 1 : 0;
      let count = 0;
      for (let i = from; i <= total - left; i++) count += extreme(i + 1, left - 1, sum + (centred[i] as number));
      return count;
    };
    return { difference, pValue: extreme(0, chosen, 0) / divisions, exact: true };
  }
  const pValue = drawnPValue('permutationTest', `for more than ${EXACT} divisions`, options, (rng) => {
    let sum = 0;
    for (const i of permutation(total, rng).subarray(0, chosen)) sum += centred[i] as number;
    return Math.abs(sum) >= observed;
  });
  return { difference, pValue, exact: false };
}

/** C(n, k), exact below 2⁵³; at least that large above. */
function choose(n: number, k: number): number {
  let ways = 1;
  for (let i = 1; i <= Math.min(k, n - k); i++) ways = (ways * (n - i + 1)) / i;
  return ways;
}
