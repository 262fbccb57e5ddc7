import * as algorithms from './algorithms.js';
import type { EstimatorEntry } from './entry.js';

const isEntry = (value: unknown): value is EstimatorEntry =>
  typeof value === 'object' && value !== null && 'estimate' in value;

/** Every estimator of this package: the law suite, the benchmarks and the documentation read this list. */
export const estimators: readonly EstimatorEntry[] = Object.values<unknown>(algorithms).filter(isEntry);

export type { EstimatorEntry, EstimatorLaw, ExampleShape } from './entry.js';
