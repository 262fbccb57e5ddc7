import { OptionError, permutation, type Rng } from '@tsrl/core';
import { positionsByClass } from './class-positions.js';
import type { BinaryLabel, LabelledText } from './labelled-text.js';

/** How rare one class is to become. */
export interface ImbalanceOptions {
  /** Examples of the other class for each example of the minority: at least 1. */
  readonly ratio: number;
  /** The class to make rare; 1 by default. */
  readonly minority?: BinaryLabel;
}

/**
 * Makes a class rare by dropping examples of it at random, until the other class outnumbers it `ratio` to 1: with N
 * examples of the other class, max(1, round(N / ratio)) are kept. The order is kept, and every example of the other
 * class; a data set whose minority is already that rare comes back as it is.
 *
 * @throws OptionError when the ratio is not a finite number of at least 1, or a class is missing
 */
export function subsampleToImbalance<Example extends LabelledText>(
  examples: readonly Example[],
  { ratio, minority = 1 }: ImbalanceOptions,
  rng: Rng,
): Example[] {
  const who = 'subsampleToImbalance';
  if (!(ratio >= 1 && Number.isFinite(ratio))) throw new OptionError(who, 'ratio', 'a number of at least 1', ratio);
  if (minority !== 0 && minority !== 1) throw new OptionError(who, 'minority', '0 or 1', minority);
  const labels = examples.map(({ label }) => label);
  const classes = positionsByClass(who, 'examples', labels);
  const rare = classes[minority];
  const kept = Math.max(1, Math.round(classes[(1 - minority) as BinaryLabel].length / ratio));

  const dropped = new Set(Array.from(permutation(rare.length, rng).subarray(kept), (i) => rare[i]));
  return examples.filter((_, i) => !dropped.has(i));
}
