import { DataError, expectLength, OptionError, type Rng } from '@tsrl/core';
import { meanOf } from '../finite-values.js';
import { expectWhole } from '../whole-number.js';
import { type Bootstrap, drawIndex, expectFiniteStatistic, type ReplicatesOptions } from './bootstrap.js';

/** A method's metric of the model of one training seed, on a sample of the test examples (indices, with repeats). */
export type SeedMetric = (seed: number, examples: Int32Array) => number;

/** Which seeds and test examples there are, and which of the two are drawn again. */
export interface CrossedDesign extends ReplicatesOptions {
  /** How many training seeds. */
  readonly seeds: number;
  /** How many test examples, the same for every seed and method. */
  readonly examples: number;
  /** The class of each example: examples are drawn within their class, so that no resample lacks one. Default none. */
  readonly strata?: ArrayLike<number | string>;
  /**
   * What varies. `both` (default): what a new training run tested on new examples would give; `seeds`: a new training
   * run on these examples; `examples`: these trained models on new examples, which says nothing about training.
   */
  readonly over?: 'both' | 'seeds' | 'examples';
}

/**
 * The two-level bootstrap of a study in which every seed of every method is tested on the same examples: seeds and
 * examples are drawn with replacement, independently of each other, and the statistic of a method is the mean of its
 * metric over the drawn seeds, on the drawn examples. One bootstrap per method.
 *
 * The methods share every draw, so their difference by `combineBootstraps` is the paired one: seed s of a method is
 * paired with seed s of the others. Methods that share no seeds are drawn in two calls, `over: 'seeds'`.
 *
 * For a mean over seeds and examples with seed effects of variance σ²_S, example effects σ²_E and an interaction σ²_I,
 * the variance of the replicates is on average about σ²_S/S + σ²_E/E + 3 σ²_I/(S E): right where effects dominate, too
 * wide otherwise, never much too narrow but for the factors (S − 1)/S and (E − 1)/E, which few seeds feel. See
 * `intervalCaution`.
 *
 * `null` when what is drawn again is a single seed or a single example.
 *
 * @throws OptionError for an option out of range, ShapeError when `strata` is not one per example, DataError for no
 * method or a metric that is not finite
 * @see Owen 2007, "The pigeonhole bootstrap", arXiv:0712.1111
 */
export function crossedBootstrap<const Metrics extends readonly SeedMetric[]>(
  metrics: Metrics,
  { seeds, examples, strata, over = 'both', replicates = 10_000 }: CrossedDesign,
  rng: Rng,
): { readonly [Metric in keyof Metrics]: Bootstrap } | null {
  const who = 'crossedBootstrap';
  expectWhole(who, 'seeds', seeds, 1);
  expectWhole(who, 'examples', examples, 1);
  expectWhole(who, 'replicates', replicates, 1);
  if (over !== 'both' && over !== 'seeds' && over !== 'examples') {
    throw new OptionError(who, 'over', "'both', 'seeds' or 'examples'", over);
  }
  if (strata !== undefined) expectLength(who, 'strata', strata, examples);
  if (metrics.length === 0) throw new DataError(who, 'there is no method to resample');
  const [drawSeeds, drawExamples] = [over !== 'examples', over !== 'seeds'];
  if ((drawSeeds && seeds === 1) || (drawExamples && examples === 1)) return null;

  const pools = poolsOf(strata, examples);
  const drawnExamples = Int32Array.from({ length: examples }, (_, i) => i);
  const drawnSeeds = Int32Array.from({ length: seeds }, (_, s) => s);
  const perSeed = (): Float64Array[] =>
    metrics.map((metric) => Float64Array.from({ length: seeds }, (_, s) => metric(s, drawnExamples)));

  let values = perSeed();
  const bootstraps = values.map((value) => ({
    estimate: expectFiniteStatistic(who, meanOf(value)),
    replicates: new Float64Array(replicates),
  }));
  for (let b = 0; b < replicates; b++) {
    if (drawSeeds) for (let s = 0; s < seeds; s++) drawnSeeds[s] = drawIndex(seeds, rng);
    if (drawExamples) {
      for (let i = 0; i < examples; i++) {
        const pool = pools[i] as Int32Array;
        drawnExamples[i] = pool[drawIndex(pool.length, rng)] as number;
      }
      values = perSeed();
    }
    for (const [m, value] of values.entries()) {
      let sum = 0;
      for (const s of drawnSeeds) sum += value[s] as number;
      (bootstraps[m] as Bootstrap).replicates[b] = expectFiniteStatistic(who, sum / seeds, b);
    }
  }
  return bootstraps as unknown as { readonly [Metric in keyof Metrics]: Bootstrap };
}

/** For each example, the examples that may stand in its place. */
function poolsOf(strata: ArrayLike<number | string> | undefined, examples: number): readonly Int32Array[] {
  const classes = new Map<number | string | undefined, number[]>();
  for (let i = 0; i < examples; i++) {
    const members = classes.get(strata?.[i]) ?? [];
    members.push(i);
    classes.set(strata?.[i], members);
  }
  const pools = new Map([...classes].map(([name, members]) => [name, Int32Array.from(members)]));
  return Array.from({ length: examples }, (_, i) => pools.get(strata?.[i]) as Int32Array);
}
