import { DataError, ShapeError } from '@tsrl/core';
import { type Bootstrap, expectFiniteStatistic } from './bootstrap.js';

/**
 * A function of several statistics, resample by resample.
 *
 * - Drawn together (one call of `crossedBootstrap`, so that resample b of each is the same seeds and examples), the
 *   difference of two is the paired difference of two methods.
 * - Drawn independently (data sets, each with its own `rng.fork(name)`), the mean is the mean over the data sets.
 *
 * ```ts
 * const gain = combineBootstraps([method, comparator], ([a, b]) => a - b);
 * ```
 *
 * @throws DataError for no bootstrap or a value that is not finite, ShapeError when the numbers of replicates differ
 */
export function combineBootstraps<const Parts extends readonly Bootstrap[]>(
  parts: Parts,
  statistic: (values: { readonly [Part in keyof Parts]: number }) => number,
): Bootstrap {
  const who = 'combineBootstraps';
  const [first] = parts;
  if (first === undefined) throw new DataError(who, 'there is no bootstrap to combine');
  const size = first.replicates.length;
  parts.forEach(({ replicates }, i) => {
    if (replicates.length === size) return;
    throw new ShapeError(who, `bootstrap ${i}`, `of ${size} replicates like bootstrap 0`, `${replicates.length}`);
  });
  type Values = { readonly [Part in keyof Parts]: number };
  const at = (value: (part: Bootstrap) => number): number => statistic(parts.map(value) as unknown as Values);
  return {
    estimate: expectFiniteStatistic(
      who,
      at(({ estimate }) => estimate),
    ),
    replicates: Float64Array.from({ length: size }, (_, b) =>
      expectFiniteStatistic(
        who,
        at(({ replicates }) => replicates[b] as number),
        b,
      ),
    ),
  };
}
