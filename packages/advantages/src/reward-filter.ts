import { DataError, OptionError, type Rng, ShapeError } from '@tsrl/core';

/** Options of {@link resamplingWeights}. */
export interface ResamplingOptions {
  /**
   * `power` (default): |r|ᵖ. `extremes`: 1 for the largest and the smallest reward, 0 for the others. `best`: 0.4 for
   * the largest, 0.1 for the others.
   */
  readonly weights?: 'power' | 'extremes' | 'best';
  /** p; finite and at least 0. Default 2. */
  readonly power?: number;
}

/**
 * How likely each response should stay when a batch is filtered by its rewards, because a reward model is most
 * reliable where it is most decided. Not normalised, and 1e-8 is added to each:
 *
 *   w_i = |r_i|ᵖ + 1e-8
 *
 * @param rewards [B]
 * @returns [B], for `resample`
 * @throws OptionError for an option out of range, ShapeError for a batch of none, DataError for a reward that is not
 * finite
 * @see Shen and Zhang 2024 (PF-PPO), arXiv:2409.06957
 */
export function resamplingWeights(
  rewards: ArrayLike<number>,
  { weights = 'power', power = 2 }: ResamplingOptions = {},
): Float64Array {
  if (weights !== 'power' && weights !== 'extremes' && weights !== 'best') {
    throw new OptionError('resamplingWeights', 'weights', "'power', 'extremes' or 'best'", weights);
  }
  if (!(power >= 0 && power < Number.POSITIVE_INFINITY)) {
    throw new OptionError('resamplingWeights', 'power', 'a finite number of at least 0', power);
  }
  expectNumbers('resamplingWeights', 'rewards', rewards, 'finite', Number.isFinite);
  const all = Array.from(rewards);
  const largest = all.reduce((a, b) => Math.max(a, b));
  const smallest = all.reduce((a, b) => Math.min(a, b));
  const weight = {
    power: (r: number) => Math.abs(r) ** power,
    extremes: (r: number) => (r === largest || r === smallest ? 1 : 0),
    best: (r: number) => (r === largest ? 0.4 : 0.1),
  }[weights];
  return Float64Array.from(all, (r) => weight(r) + 1e-8);
}

/**
 * Rows drawn with replacement, each with a probability in proportion to its weight.
 *
 * @param weights [B], at least 0, not all 0
 * @param count   how many rows to draw
 * @returns rows, [count]
 * @throws ShapeError for no weights, DataError for a weight that is negative or not finite, or when all are 0,
 * OptionError unless count is a whole number, at least 0
 */
export function resample(weights: ArrayLike<number>, count: number, rng: Rng): Int32Array {
  expectNumbers('resample', 'weights', weights, 'finite and at least 0', (w) => w >= 0 && Number.isFinite(w));
  if (!(Number.isInteger(count) && count >= 0)) {
    throw new OptionError('resample', 'count', 'a whole number, at least 0', count);
  }
  let total = 0;
  const cumulative = Float64Array.from(weights, (weight) => (total += weight));
  if (total === 0) throw new DataError('resample', 'one weight at least must be above 0; got zeros only');
  return Int32Array.from({ length: count }, () => {
    const point = rng.uniform();
    return cumulative.findIndex((upTo) => point < upTo / total); // the last one is 1, and point below it
  });
}

function expectNumbers(
  who: string,
  name: string,
  values: ArrayLike<number>,
  expected: string,
  fits: (value: number) => boolean,
): void {
  if (values.length === 0) throw new ShapeError(who, name, 'of at least one response', 'length 0');
  const unfit = Array.from(values).findIndex((value) => !fits(value));
  if (unfit >= 0) throw new DataError(who, `${name}[${unfit}] must be ${expected}; got ${values[unfit]}`);
}
