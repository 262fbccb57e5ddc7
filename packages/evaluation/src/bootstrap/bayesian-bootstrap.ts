import type { Rng } from '@tsrl/core';
import { expectWhole } from '../whole-number.js';
import { type Bootstrap, expectFiniteStatistic, type ReplicatesOptions, replicate } from './bootstrap.js';

/**
 * The Bayesian bootstrap: in place of drawing n units again it weights them by Dirichlet(1, …, 1), so that no unit is
 * ever left out and even three units give a smooth distribution. The quantiles of the replicates bound a credible
 * interval under the improper prior of Rubin; it is no wider than the bootstrap's and no cure for few units.
 *
 * The statistic gets weights that sum to 1, all 1/n first; the array is used again for the next resample. `null` for a
 * single unit.
 *
 * @throws OptionError for n or `replicates` out of range, DataError when the statistic is not finite
 * @see Rubin 1981, "The Bayesian bootstrap"
 */
export function bayesianBootstrap(
  n: number,
  statistic: (weights: Float64Array) => number,
  rng: Rng,
  { replicates = 10_000 }: ReplicatesOptions = {},
): Bootstrap | null {
  expectWhole('bayesianBootstrap', 'n', n, 1);
  expectWhole('bayesianBootstrap', 'replicates', replicates, 1);
  if (n === 1) return null;
  const weights = new Float64Array(n).fill(1 / n);
  const estimate = expectFiniteStatistic('bayesianBootstrap', statistic(weights));
  return replicate('bayesianBootstrap', estimate, replicates, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const gap = -Math.log1p(-rng.uniform()); // exponential: their shares of the sum are Dirichlet(1, …, 1)
      weights[i] = gap;
      sum += gap;
    }
    for (let i = 0; i < n; i++) weights[i] = (weights[i] as number) / sum;
    return statistic(weights);
  });
}
