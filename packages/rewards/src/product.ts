import { OptionError } from '@tsrl/core';
import { bySample, type Combine, expectUnit, expectWeights, weightsOf } from './composed.js';
import type { WeightOptions } from './weighted-sum.js';

/** Options of {@link product}. */
export interface ProductOptions extends WeightOptions {
  /** In [0, 1): scores below count as this, so that one 0 does not hide the others. Default 0. */
  readonly floor?: number;
}

/**
 * R = Π max(r_m, floor)^w_m over the components that apply, all in [0, 1]; `null` where none does. Each component is a
 * hard requirement: a 0 makes the product 0. With weights that sum to 1 it is the geometric mean, for which a floor of
 * 1e-6 leaves a difference to learn from.
 *
 * @throws OptionError for a floor outside [0, 1), a weight that is negative or not finite and, when it combines, for one
 * of no component; DataError for a score outside [0, 1]
 */
export function product({ weights = {}, floor = 0 }: ProductOptions = {}): Combine {
  if (!(floor >= 0 && floor < 1)) throw new OptionError('product', 'floor', 'in [0, 1)', floor);
  expectWeights('product', weights);
  for (const [name, weight] of Object.entries(weights)) {
    if (!(weight >= 0)) throw new OptionError('product', `weights.${name}`, 'at least 0', weight);
  }
  return (scores) => {
    const names = Object.keys(scores);
    const of = weightsOf('product', names, weights);
    return bySample(scores, (row) => {
      if (row.every((score) => score === null)) return null;
      return row.reduce<number>((all, score, m) => {
        if (score === null) return all;
        return all * Math.max(expectUnit('product', names[m] as string, score), floor) ** (of[m] as number);
      }, 1);
    });
  };
}
