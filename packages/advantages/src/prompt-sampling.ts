import { DataError, OptionError, type Rng, show } from '@tsrl/core';
import { countsOf, mapOf, type SuccessCounts } from './success-counts.js';

/** Options of {@link samplingWeights}. */
export interface SamplingWeightsOptions {
  /** Added to every weight, at least 0, so that prompts that seem solved or hopeless are still visited. Default 0.05. */
  readonly exploration?: number;
  /** g, in [0, 1]: how much a prompt that was seen often counts less. Default 0. */
  readonly familiarity?: number;
}

/**
 * How much each prompt is worth visiting: the deviation of its reward, largest where it succeeds half of the time,
 *
 *   w = √(v (1 − v)) / N^g + exploration,   v = α / N,   N = α + β
 *
 * Differences: g is 0 in the first version of the paper and in the reference, and 1 the most in the later one.
 *
 * @param counts of `valueTracker`, for rewards in [0, 1]; a prompt that was never seen has α = β = 1/2
 * @returns [number of prompts], for {@link samplePrompts}
 * @throws OptionError for an option out of range, StateError for counts that are none, DataError when v is not in [0, 1]
 * @see Xu and Ding 2025, arXiv:2509.13232
 */
export function samplingWeights(
  counts: SuccessCounts,
  prompts: readonly string[],
  { exploration = 0.05, familiarity = 0 }: SamplingWeightsOptions = {},
): Float64Array {
  if (!(exploration >= 0 && exploration < Number.POSITIVE_INFINITY)) {
    throw new OptionError('samplingWeights', 'exploration', 'a finite number of at least 0', exploration);
  }
  if (!(familiarity >= 0 && familiarity <= 1)) {
    throw new OptionError('samplingWeights', 'familiarity', 'in [0, 1]', familiarity);
  }
  const known = mapOf(counts);
  const weights = prompts.map((prompt) => {
    const [alpha, beta] = countsOf('samplingWeights', known, prompt);
    const value = alpha / (alpha + beta);
    if (!(value >= 0 && value <= 1)) {
      throw new DataError('samplingWeights', `the value of prompt ${show(prompt)} must be in [0, 1]; got ${value}`);
    }
    return Math.sqrt(value * (1 - value)) / (alpha + beta) ** familiarity + exploration;
  });
  return Float64Array.from(weights);
}

/**
 * Draws `count` of the prompts, one after the other, each with a probability proportional to its weight among those
 * that are left. When more are asked for than there are, prompts are put back after each draw. Prompts of weight 0 are
 * drawn only when no others are left, and then evenly.
 *
 * @param weights of each prompt, finite and at least 0
 * @returns positions in `weights`, in the order of the draws
 * @throws OptionError unless count is a whole number of at least 0, DataError for a weight that is none, or when prompts
 * are asked for and there are none
 * @see Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir": the exponential race is the
 * sequential draw
 */
export function samplePrompts(weights: ArrayLike<number>, count: number, rng: Rng): Int32Array {
  if (!(Number.isInteger(count) && count >= 0)) {
    throw new OptionError('samplePrompts', 'count', 'a whole number of at least 0', count);
  }
  const pool = Array.from(weights, (weight, prompt) => {
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
      throw new DataError('samplePrompts', `weights[${prompt}] must be finite and at least 0; got ${weight}`);
    }
    return weight;
  });
  if (count > 0 && pool.length === 0) {
    throw new DataError('samplePrompts', 'there must be prompts to draw from; got none');
  }
  if (count > pool.length) return Int32Array.from({ length: count }, () => race(pool, 1, rng)[0] as number);
  return race(pool, count, rng);
}

/** Each prompt arrives after an exponential time of rate w; those of weight 0 after all others, in random order. */
function race(weights: readonly number[], count: number, rng: Rng): Int32Array {
  const racers = weights.map((weight, prompt) => {
    const time = -Math.log(1 - rng.uniform());
    return { prompt, late: weight > 0 ? 0 : 1, time: weight > 0 ? time / weight : time };
  });
  racers.sort((a, b) => a.late - b.late || a.time - b.time);
  return Int32Array.from(racers.slice(0, count), ({ prompt }) => prompt);
}
