import type { Json } from '@tsrl/core';
import { differences } from '@tsrl/training';
import type { SuspectsAnswer, SuspectsTask } from './judge-labels.js';
import type { Group } from './plan.js';
import type { Running } from './progress.js';
import { isFrozen } from './run.js';
import type { StudyFiles, SuspectList } from './study-files.js';
import type { Outcome } from './threads.js';

/** A list of suspects that is to be made. */
export interface Listing extends Running {
  readonly purpose: 'suspects';
  readonly inputs: Json;
  readonly task: SuspectsTask;
}

/**
 * One group for each data set and damage that flips labels: the first whose model is frozen, for its vectors, or else the
 * first. The labels are judged once for all methods.
 */
export function flippedPlaces(groups: readonly Group[]): Group[] {
  const places = new Map<string, Group>();
  for (const group of groups) {
    const { labelNoise, falsePositiveNoise, falseNegativeNoise } = group.damaged;
    if (labelNoise + falsePositiveNoise + falseNegativeNoise === 0) continue;
    const place = placeOf(group);
    const known = places.get(place);
    if (known === undefined || (!hasVectors(known) && hasVectors(group))) places.set(place, group);
  }
  return [...places.values()];
}

export const hasVectors = ({ settings }: Group): boolean => settings.method !== 'tfidf' && isFrozen(settings);

/** Where a list belongs, but for its seed. */
export const placeOf = ({ dataset, damage }: Pick<Group, 'dataset' | 'damage'>): string => `${dataset}/${damage}`;

/** `suspects.json`: what is there, what of it is still to be made, and what has just been made. */
export interface SuspectLists {
  readonly left: readonly Listing[];
  /** Takes a list, or says why there is none; the next session tries again. */
  take(listing: Listing, outcome: Outcome<SuspectsAnswer>): Promise<void>;
  readonly problems: readonly string[];
}

/** Lists of places and seeds that are no part of this configuration stay. */
export async function suspectLists(files: StudyFiles, wanted: readonly Listing[]): Promise<SuspectLists> {
  const keyOf = (of: Pick<SuspectList, 'dataset' | 'damage' | 'seed'>): string => `${placeOf(of)}/${of.seed}`;
  const lists = new Map((await files.readSuspects()).map((list) => [keyOf(list), list]));
  const made = (listing: Listing): boolean => {
    const there = lists.get(keyOf(listing));
    return there !== undefined && differences(there.inputs, listing.inputs).length === 0;
  };
  const problems: string[] = [];
  let written: Promise<void> = Promise.resolve();
  return {
    left: wanted.filter((listing) => !made(listing)),
    problems,
    take(listing, outcome) {
      const { dataset, damage, seed, inputs } = listing;
      if ('problem' in outcome) {
        problems.push(`no suspects of ${keyOf(listing)}: ${outcome.problem}`);
        return Promise.resolve();
      }
      const { listed, flipped } = outcome.answer;
      lists.set(keyOf(listing), { dataset, damage, seed, listed, flipped, inputs });
      // One file for all of them: threads that end together write it one after the other.
      written = written.then(() =>
        files.writeSuspects([...lists.keys()].sort().map((key) => lists.get(key) as SuspectList)),
      );
      return written;
    },
  };
}
