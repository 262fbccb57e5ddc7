import { expectWhole } from '../whole-number.js';
import { expectFiniteStatistic } from './bootstrap.js';

/**
 * The statistic without each unit in turn: what `bcaInterval` learns the skewness from. The statistic gets the indices
 * of the n − 1 units left, as `bootstrap` gives it n.
 *
 * @throws OptionError unless n is at least 2, DataError when the statistic is not finite
 */
export function jackknife(n: number, statistic: (units: Int32Array) => number): Float64Array {
  expectWhole('jackknife', 'n', n, 2);
  return Float64Array.from({ length: n }, (_, left) =>
    expectFiniteStatistic('jackknife', statistic(Int32Array.from({ length: n - 1 }, (_, i) => (i < left ? i : i + 1)))),
  );
}
