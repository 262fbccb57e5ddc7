import { OptionError, permutation, type Rng } from '@tsrl/core';
import { positionsByClass } from './class-positions.js';

/** How the classes of an epoch are made equal. */
export interface BalanceOptions {
  /**
   * `oversample` (default): every example of the larger class once, those of the smaller class repeated.
   * `undersample`: every example of the smaller class once, a part of the larger class.
   */
  readonly mode?: 'oversample' | 'undersample';
}

/** A uniformly random order of 0 … n − 1: the positions of one plain epoch. */
export const shuffledIndices: (n: number, rng: Rng) => Int32Array = permutation;

/**
 * The positions of one epoch that shows both classes equally often, in random order.
 *
 * With N the larger and n the smaller class, `oversample` gives 2N positions in which each example of the smaller class
 * appears ⌊N / n⌋ times and N mod n of them, drawn without replacement, once more: of all ways to draw N from n evenly
 * in expectation, the one of least variance. (Drawing with replacement, as is usual, leaves out a share of about e⁻¹ of
 * the smaller class in an epoch when the classes are nearly equal.) `undersample` gives 2n positions, the larger class
 * drawn without replacement.
 *
 * @throws OptionError when a class is missing, or the mode is unknown
 */
export function balancedIndices(
  labels: ArrayLike<number>,
  rng: Rng,
  { mode = 'oversample' }: BalanceOptions = {},
): Int32Array {
  const who = 'balancedIndices';
  if (mode !== 'oversample' && mode !== 'undersample') {
    throw new OptionError(who, 'mode', "'oversample' or 'undersample'", mode);
  }
  const classes = positionsByClass(who, 'labels', labels);
  const [first, second] = classes.map((positions) => positions.length) as [number, number];
  const each = mode === 'oversample' ? Math.max(first, second) : Math.min(first, second);

  const drawn = new Int32Array(2 * each);
  classes.forEach((positions, c) => {
    const order = permutation(positions.length, rng);
    // Going round a random order repeats it ⌊each / n⌋ times, and its first each mod n once more.
    for (let i = 0; i < each; i++) drawn[c * each + i] = positions[order[i % order.length] as number] as number;
  });
  return permutation(drawn.length, rng).map((i) => drawn[i] as number);
}
