import { expectClusters } from './clusters.js';

/**
 * The standard error of the mean of all samples when those of one item belong together:
 *
 *   SE = (1/N) √( Σ over items of (Σ over its samples of (s − s̄))² ),   N samples in all
 *
 * Treating them as independent understates it, the more the more the samples of an item agree. With one sample per item
 * it is √(Σ(s − s̄)²)/N. Without items beyond the first it is unknown: `null`.
 *
 * @param items outcomes[item][sample]; items may differ in their number of samples
 * @throws DataError for no item, an item without a sample, or an outcome that is not finite
 * @see Miller 2024, arXiv:2411.00640, section 2.2
 */
export function clusteredStandardError(items: readonly ArrayLike<number>[]): number | null {
  expectClusters('clusteredStandardError', items);
  if (items.length === 1) return null;
  let [n, sum] = [0, 0];
  for (const samples of items) {
    n += samples.length;
    for (let j = 0; j < samples.length; j++) sum += samples[j] as number;
  }
  let squares = 0;
  for (const samples of items) {
    let distance = 0;
    for (let j = 0; j < samples.length; j++) distance += (samples[j] as number) - sum / n;
    squares += distance ** 2;
  }
  return Math.sqrt(squares) / n;
}
