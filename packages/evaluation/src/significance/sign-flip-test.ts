import { expectFiniteValues, meanOf } from '../finite-values.js';
import { drawnPValue, type PermutationOptions, type PermutationTest } from './test-options.js';

/** Up to here all 2ⁿ signs are gone through. */
const EXACT = 20;

/**
 * The sign-flip test of paired differences (of two methods with the same seed, say), two-sided: if the methods are
 * equally good, each difference might as well have the other sign, so
 *
 *   p = share of the 2ⁿ choices of signs with |Σ ± d| ≥ |Σ d|
 *
 * exact for n ≤ 20, else from drawn signs, (1 + #extreme)/(1 + B). It cannot go below 2/2ⁿ: with 5 seeds 0.0625, with 6
 * 0.03125. Sums within 1e-12 Σ|d| of each other count as equal.
 *
 * @throws OptionError without an `rng` for n > 20, DataError for no difference or one that is not finite
 * @see Fisher 1935, "The design of experiments", section 21
 */
export function signFlipTest(differences: ArrayLike<number>, options: PermutationOptions = {}): PermutationTest {
  expectFiniteValues('signFlipTest', 'differences', differences);
  const sizes = Float64Array.from(differences, Math.abs);
  const difference = meanOf(differences);
  // The sum itself, not n times the mean: below the normal numbers a mean is rounded coarsely.
  const sum = Array.from(differences).reduce((a, b) => a + b);
  const observed = Math.abs(sum) - 1e-12 * sizes.reduce((a, b) => a + b);
  const n = sizes.length;
  if (n <= EXACT) {
    const extreme = (i: number, sum: number): number => {
      if (i === n) return Math.abs(sum) >= observed ? 1 : 0;
      return extreme(i + 1, sum + (sizes[i] as number)) + extreme(i + 1, sum - (sizes[i] as number));
    };
    // Turning all signs changes nothing: the first one stays.
    return { difference, pValue: extreme(1, sizes[0] as number) / 2 ** (n - 1), exact: true };
  }
  const pValue = drawnPValue('signFlipTest', `for more than ${EXACT} differences`, options, (rng) => {
    let sum = 0;
    for (const size of sizes) sum += rng.uniform() < 0.5 ? size : -size;
    return Math.abs(sum) >= observed;
  });
  return { difference, pValue, exact: false };
}
