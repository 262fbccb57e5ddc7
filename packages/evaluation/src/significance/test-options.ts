import { OptionError, type Rng } from '@tsrl/core';
import { expectWhole } from '../whole-number.js';

/** What a permutation test needs where there are too many permutations to go through. */
export interface PermutationOptions {
  /** Draws the permutations; only needed where the test is not exact. */
  readonly rng?: Rng;
  /** How many are drawn, a whole number of at least 1. Default 10,000. */
  readonly permutations?: number;
}

/** The outcome of a permutation test, as plain JSON. */
export type PermutationTest = {
  /** What was tested: the mean of the differences, or the difference of the means. */
  readonly difference: number;
  /** Two-sided. */
  readonly pValue: number;
  /** Whether all permutations were gone through. */
  readonly exact: boolean;
};

/** p = (1 + #extreme)/(1 + B) over B permutations drawn: never 0, and never too small on average. */
export function drawnPValue(
  who: string,
  why: string,
  { rng, permutations = 10_000 }: PermutationOptions,
  isExtreme: (rng: Rng) => boolean,
): number {
  expectWhole(who, 'permutations', permutations, 1);
  if (rng === undefined) throw new OptionError(who, 'rng', `given ${why}`, rng);
  let extreme = 1;
  for (let b = 0; b < permutations; b++) if (isExtreme(rng)) extreme += 1;
  return extreme / (1 + permutations);
}
