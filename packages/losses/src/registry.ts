import * as algorithms from './algorithms.js';
import type { LossEntry } from './entry.js';

const isEntry = (value: unknown): value is LossEntry =>
  typeof value === 'object' && value !== null && 'evaluate' in value;

/** Every loss of this package: the law suite, the benchmarks and the documentation read this list. */
export const losses: readonly LossEntry[] = Object.values<unknown>(algorithms).filter(isEntry);

export type { ExampleShape, LossEntry } from './entry.js';
