import { OptionError, permutation, type Rng } from '@tsrl/core';
import { positionsByClass } from './class-positions.js';
import type { LabelledText } from './labelled-text.js';

/**
 * Splits off a share of the examples at random, class by class: of the n_c examples of class c, round(share · n_c) are
 * held out, at least 1 and at most n_c − 1, so that both parts hold both classes and nearly the same class balance.
 * Both parts keep the order of the input. The same generator state gives the same split.
 *
 * @returns [rest, heldOut]
 * @throws OptionError when the share is not in (0, 1), or a class has fewer than two examples
 */
export function stratifiedSplit<Example extends LabelledText>(
  examples: readonly Example[],
  share: number,
  rng: Rng,
): [rest: Example[], heldOut: Example[]] {
  const who = 'stratifiedSplit';
  if (!(share > 0 && share < 1)) throw new OptionError(who, 'share', 'in (0, 1)', share);
  const labels = examples.map(({ label }) => label);

  const heldOut = new Set<number>();
  for (const positions of positionsByClass(who, 'examples', labels, 2)) {
    const count = Math.min(Math.max(Math.round(share * positions.length), 1), positions.length - 1);
    for (const i of permutation(positions.length, rng).subarray(0, count)) heldOut.add(positions[i] as number);
  }
  return [examples.filter((_, i) => !heldOut.has(i)), examples.filter((_, i) => heldOut.has(i))];
}
