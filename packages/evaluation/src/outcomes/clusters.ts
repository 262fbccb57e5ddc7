import { DataError } from '@tsrl/core';
import { expectFiniteValues } from '../finite-values.js';

/** Throws unless there is an item, and every item has a sample and only finite ones. */
export function expectClusters(who: string, items: readonly ArrayLike<number>[]): void {
  if (items.length === 0) throw new DataError(who, 'items must have at least one item');
  items.forEach((samples, i) => {
    expectFiniteValues(who, `items[${i}]`, samples);
  });
}
