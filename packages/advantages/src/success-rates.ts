import { type Moments, OptionError, runningMoments, type Tracker } from '@tsrl/core';
import type { BnpoOptions } from './beta-normalized.js';
import type { GroupInputs } from './group-relative.js';
import { ratesByGroup, ratesOfSeveral } from './rates-by-group.js';

/**
 * The success rate of each prompt, its mean reward brought to [0, 1], in the order in which the prompts appear first:
 *
 *   p = mean over its responses of (r − low) / (high − low)
 *
 * Prompts with fewer than two rewards are left out, as `bnpo` leaves them out of its fit.
 *
 * @throws OptionError for an empty range, ShapeError when the lengths differ or are 0, DataError for a reward outside
 * the range
 */
export function successRates(
  { rewards, groups }: GroupInputs,
  { range = [0, 1] }: Pick<BnpoOptions, 'range'> = {},
): Float64Array {
  return ratesOfSeveral(ratesByGroup('successRates', 'rewards', rewards, groups, range).moments);
}

/** Options of {@link successMoments}. */
export interface SuccessMomentsOptions {
  /** What the evidence of the past still weighs at each batch, in [0, 1]; default 0.9. */
  readonly decay?: number;
}

/**
 * Moments of the success rates over several batches, for a normalizer that does not jump with every small batch:
 *
 *   count ← decay · count,  m2 ← decay · m2,  then the rates of the batch are merged (`runningMoments`)
 *
 * With decay 0 it is the last batch, as in the paper; with 1 all that was ever seen. An empty batch changes nothing.
 * Observe `successRates(batch)`, and pass `betaNormalizer(state)` to `bnpo` as `normalizer`.
 *
 * Differences: the paper and its code fit every batch anew.
 *
 * @throws OptionError unless decay is in [0, 1]
 */
export function successMoments({ decay = 0.9 }: SuccessMomentsOptions = {}): Tracker<Moments, ArrayLike<number>> {
  if (!(decay >= 0 && decay <= 1)) throw new OptionError('successMoments', 'decay', 'in [0, 1]', decay);
  const { initial, update } = runningMoments;
  return {
    initial,
    update: ({ count, mean, m2 }, rates) =>
      rates.length === 0 ? { count, mean, m2 } : update({ count: decay * count, mean, m2: decay * m2 }, rates),
  };
}
