import { OptionError, permutation, type Rng } from '@tsrl/core';
import { expectCount } from './pad-tokens.js';

/** How far texts may move to meet others of their length. */
export interface BucketOptions {
  /** Batches whose texts are sorted together; 50 by default. 1 leaves the order as it is, up to whole batches. */
  readonly window?: number;
}

/**
 * Cuts an epoch into batches of texts of similar length, so that little of a batch is padding.
 *
 * `order` is cut into windows of `window · batchSize` positions, each window is sorted by length and cut into batches,
 * and all the batches are shuffled. Every position appears as often as in `order`. When `batchSize` does not divide
 * their number, the last positions of `order` form the last, short batch: a fair sample, not the longest texts.
 *
 * @param lengths the length of every text of the data set, in tokens or any measure close to it
 * @param order positions of texts in random order: of `shuffledIndices`, or of `balancedIndices`
 * @throws OptionError when `batchSize` or `window` is not a positive integer, or a position is outside `lengths`
 */
export function bucketedBatches(
  lengths: ArrayLike<number>,
  order: ArrayLike<number>,
  batchSize: number,
  rng: Rng,
  { window = 50 }: BucketOptions = {},
): Int32Array[] {
  const who = 'bucketedBatches';
  expectCount(who, 'batchSize', batchSize);
  expectCount(who, 'window', window);
  const positions = Int32Array.from(order);
  for (const i of positions) {
    if (!(i >= 0 && i < lengths.length)) throw new OptionError(who, 'order', `positions below ${lengths.length}`, i);
  }

  const whole = positions.length - (positions.length % batchSize);
  const batches: Int32Array[] = [];
  for (let start = 0; start < whole; start += window * batchSize) {
    const sorted = positions
      .slice(start, Math.min(start + window * batchSize, whole))
      .sort((i, j) => (lengths[i] as number) - (lengths[j] as number));
    for (let i = 0; i < sorted.length; i += batchSize) batches.push(sorted.subarray(i, i + batchSize));
  }
  const shuffled = Array.from(permutation(batches.length, rng), (i) => batches[i] as Int32Array);
  if (whole < positions.length) shuffled.push(positions.slice(whole));
  return shuffled;
}
