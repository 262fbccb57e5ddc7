import * as algorithms from './algorithms.js';
import type { ConfidenceEntry } from './entry.js';

const isEntry = (value: unknown): value is ConfidenceEntry =>
  typeof value === 'object' && value !== null && 'create' in value;

/** Every confidence-weighted reward of this package by name: laws, benchmarks and documentation read this. */
export const confidenceRewards: Readonly<Record<string, ConfidenceEntry>> = Object.fromEntries(
  Object.values<unknown>(algorithms)
    .filter(isEntry)
    .map((entry) => [entry.name, entry]),
);

export type { ConfidenceEntry, ConfidenceLaw } from './entry.js';
