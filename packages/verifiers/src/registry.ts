import type { RewardEntry } from '@tsrl/rewards';
import * as algorithms from './algorithms.js';

const isEntry = (value: unknown): value is RewardEntry =>
  typeof value === 'object' && value !== null && 'score' in value;

/** Every verifier of this package by name: the law suite, the benchmarks and the documentation read this. */
export const verifiers: Readonly<Record<string, RewardEntry>> = Object.fromEntries(
  Object.values<unknown>(algorithms)
    .filter(isEntry)
    .map((entry) => [entry.name, entry]),
);
