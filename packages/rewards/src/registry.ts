import * as algorithms from './algorithms.js';
import type { ConfidenceEntry } from './entry.js';
import type { RewardEntry } from './reward-entry.js';

const entriesWith = <Entry extends { readonly name: string }>(key: keyof Entry): Readonly<Record<string, Entry>> =>
  Object.fromEntries(
    Object.values<unknown>(algorithms)
      .filter((value): value is Entry => typeof value === 'object' && value !== null && key in value)
      .map((entry) => [entry.name, entry]),
  );

/** Every confidence-weighted reward of this package by name: laws, benchmarks and documentation read this. */
export const confidenceRewards: Readonly<Record<string, ConfidenceEntry>> = entriesWith<ConfidenceEntry>('create');

/** Every other reward of this package by name: the same read this. */
export const rewards: Readonly<Record<string, RewardEntry>> = entriesWith<RewardEntry>('score');

export type { ConfidenceEntry, ConfidenceLaw } from './entry.js';
export type { RewardEntry, RewardLaw } from './reward-entry.js';
