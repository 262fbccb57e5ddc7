import { ShapeError } from '@tsrl/core';
import { meanOf, sampleVariance } from '../finite-values.js';
import { expectClusters } from './clusters.js';

/** Where the variance of an item's mean comes from, as plain JSON. */
export type ItemVariance = {
  /** Variance of the means of the items, n − 1: between + within/k. */
  readonly total: number;
  /** Variance that more samples per item cannot remove; an unbiased estimate, which chance can make negative. */
  readonly between: number;
  /** Mean variance of the samples of an item, k − 1: `within/k` is what sampling adds. */
  readonly within: number;
};

/**
 * Splits the variance of the items' means into that between items and that of sampling,
 *
 *   Var_total = Var_between + E[Var_within]/k
 *
 * so that √(total/items) is the standard error over items, and √(between/items) what is left of it however many samples
 * are drawn per item. `null` for a single item or a single sample per item.
 *
 * @param items outcomes[item][sample], k samples each
 * @throws ShapeError when items differ in samples, DataError for no item or an outcome that is not finite
 * @see Miller 2024, arXiv:2411.00640, section 3.1
 */
export function itemVariance(items: readonly ArrayLike<number>[]): ItemVariance | null {
  expectClusters('itemVariance', items);
  const k = items[0]?.length ?? 0;
  items.forEach(({ length }, i) => {
    if (length !== k) throw new ShapeError('itemVariance', `items[${i}]`, `of ${k} samples like items[0]`, `${length}`);
  });
  if (items.length === 1 || k === 1) return null;
  const total = sampleVariance(items.map(meanOf));
  const within = meanOf(items.map(sampleVariance));
  return { total, between: total - within / k, within };
}
