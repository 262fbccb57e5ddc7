import { OptionError, permutation, type Rng } from '@tsrl/core';
import { positionsByClass } from './class-positions.js';
import type { LabelledText } from './labelled-text.js';

/** Class-conditional noise: either one rate for both classes, or one for each. */
export type LabelNoise =
  | {
      /** e0 = e1, in [0, 0.5). */
      readonly rate: number;
      readonly falseNegative?: never;
      readonly falsePositive?: never;
    }
  | {
      readonly rate?: never;
      /** e1 = P(observed 0 | true 1), in [0, 1). */
      readonly falseNegative: number;
      /** e0 = P(observed 1 | true 0), in [0, 1). */
      readonly falsePositive: number;
    };

/** A data set with wrong labels, and where they are. */
export interface NoisyLabels<Example> {
  readonly examples: Example[];
  /** The positions whose label was flipped, ascending. */
  readonly flipped: Int32Array;
}

/**
 * Flips labels at random: of the n_1 examples of class 1, round(e1 · n_1) become 0, and of the n_0 examples of class 0,
 * round(e0 · n_0) become 1. Only `label` changes; everything else of an example is kept.
 *
 * The number of flips is exact, where independent flips would have it vary with standard deviation √(n e (1 − e)): seeds
 * then differ only in which labels are wrong, not in how many, and a comparison across seeds is less noisy. Each single
 * example is flipped with probability e either way (up to the rounding).
 *
 * @throws OptionError unless both rates are in [0, 1) and e0 + e1 < 1: beyond that the observed label says the opposite
 * @see Natarajan et al. 2013, "Learning with noisy labels"
 */
export function flipLabels<Example extends LabelledText>(
  examples: readonly Example[],
  noise: LabelNoise,
  rng: Rng,
): NoisyLabels<Example> {
  const rates = ratesOf(noise);
  const labels = examples.map(({ label }) => label);
  const flipped = new Set<number>();
  positionsByClass('flipLabels', 'examples', labels, 0).forEach((positions, label) => {
    const count = Math.round((rates[label] as number) * positions.length);
    for (const i of permutation(positions.length, rng).subarray(0, count)) flipped.add(positions[i] as number);
  });
  return {
    examples: examples.map((example, i) => (flipped.has(i) ? { ...example, label: 1 - example.label } : example)),
    flipped: Int32Array.from(flipped).sort(),
  };
}

/** [e0, e1], checked. */
function ratesOf(noise: LabelNoise): readonly [number, number] {
  const who = 'flipLabels';
  if (noise.rate !== undefined) {
    if (!(noise.rate >= 0 && noise.rate < 0.5)) throw new OptionError(who, 'rate', 'in [0, 0.5)', noise.rate);
    return [noise.rate, noise.rate];
  }
  const { falseNegative, falsePositive } = noise;
  for (const [name, rate] of Object.entries({ falseNegative, falsePositive })) {
    if (!(rate >= 0 && rate < 1)) throw new OptionError(who, name, 'in [0, 1)', rate);
  }
  const sum = falseNegative + falsePositive;
  if (!(sum < 1)) throw new OptionError(who, 'falseNegative + falsePositive', 'less than 1', sum);
  return [falsePositive, falseNegative];
}
