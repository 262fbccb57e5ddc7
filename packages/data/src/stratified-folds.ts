import { OptionError, permutation, type Rng } from '@tsrl/core';
import { positionsByClass } from './class-positions.js';

/**
 * Deals the examples at random into folds for cross-validation: entry i is the fold, 0 … folds − 1, of example i. Any
 * two folds differ by at most one example, and by at most one of each class. The same generator state gives the same
 * folds.
 *
 * @returns [N]
 * @throws OptionError when `folds` is not an integer of at least 2, or a class has fewer examples than there are folds
 */
export function stratifiedFolds(labels: ArrayLike<number>, folds: number, rng: Rng): Int32Array {
  const who = 'stratifiedFolds';
  if (!(Number.isInteger(folds) && folds >= 2)) throw new OptionError(who, 'folds', 'an integer of at least 2', folds);
  const fold = new Int32Array(labels.length);
  let dealt = 0;
  for (const positions of positionsByClass(who, 'labels', labels, folds)) {
    // The second class goes on where the first one ended.
    for (const i of permutation(positions.length, rng)) fold[positions[i] as number] = dealt++ % folds;
  }
  return fold;
}
