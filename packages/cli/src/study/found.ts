import { type Json, StateError } from '@tsrl/core';
import { differences } from '@tsrl/training';
import type { Dataset } from './datasets.js';
import { type Candidate, type Group, inputsOf } from './plan.js';
import type { Study } from './study.js';
import type { TuningResult } from './study-files.js';

/** What has been found, and what is left; it changes as the study goes on. */
export interface Found {
  /** By group: what is known of each candidate on each tuning seed. */
  readonly tuning: Map<Group, (TuningResult | undefined)[][]>;
  /** Seeds that are done, finished or failed. */
  readonly seeds: Map<Group, Set<number>>;
  finished: number;
  failed: number;
}

/** Everything that makes a cell what it is; the values that are tried are a part of it. */
export const cellInputs = (study: Study, group: Group, seed: number): Json => ({
  ...inputsOf(group, seed, fingerprintsOf(study, group)),
  tuning: {
    candidates: group.candidates as unknown as Json,
    seeds: group.candidates.length > 1 ? study.config.tuning.seeds : [],
  },
});

export const tuningInputs = (study: Study, group: Group, candidate: Candidate, seed: number): Json => ({
  ...inputsOf(group, seed, fingerprintsOf(study, group)),
  candidate,
});

const fingerprintsOf = ({ datasets, models }: Study, { source, model }: Group) => ({
  dataset: (datasets.get(source) as Dataset).fingerprint,
  model: models.get(model)?.fingerprint ?? null,
});

/**
 * Reads what an earlier session left.
 *
 * @throws StateError when some of it was made by other settings, unless it may be replaced
 */
export async function look(study: Study): Promise<Found> {
  const { files, groups, config, redo } = study;
  const found: Found = { tuning: new Map(), seeds: new Map(), finished: 0, failed: 0 };
  const stale: { readonly file: string; readonly method: string; readonly how: string }[] = [];
  const fits = (file: string, method: string, there: Json, here: Json): boolean => {
    const [how] = differences(there, here);
    if (how !== undefined) stale.push({ file, method, how });
    return how === undefined;
  };
  for (const group of groups) {
    const tuned: (TuningResult | undefined)[][] = [];
    for (const candidate of group.candidates.length > 1 ? group.candidates : []) {
      const results: (TuningResult | undefined)[] = [];
      for (const seed of config.tuning.seeds) {
        const there = await files.readTuning(group, candidate, seed);
        const here = tuningInputs(study, group, candidate, seed);
        const known = there && fits(files.tuning(group, candidate, seed), group.method, there.inputs, here);
        results.push(known && !(redo && 'error' in there) ? there : undefined);
      }
      tuned.push(results);
    }
    found.tuning.set(group, tuned);
    const seeds = new Set<number>();
    for (const seed of config.seeds) {
      const there = await files.readCell(group, seed);
      if (!there || !fits(files.cell(group, seed), group.method, there.inputs, cellInputs(study, group, seed)))
        continue;
      const failed = 'error' in there;
      if (failed && redo) continue;
      seeds.add(seed);
      if (failed) found.failed++;
      else found.finished++;
    }
    found.seeds.set(group, seeds);
  }
  const [example] = stale;
  if (example && !redo) {
    const methods = [...new Set(stale.map(({ method }) => method))];
    throw new StateError(
      study.out,
      `${stale.length} results there were made by another configuration (${methods.join(', ')}): in ${example.file}, ` +
        `${example.how}; --redo runs them anew, another --out leaves them`,
    );
  }
  return found;
}

/** Seeds of a group whose cells are not there. */
export const seedsLeft = ({ config }: Study, { seeds }: Found, group: Group): number[] =>
  config.seeds.filter((seed) => !seeds.get(group)?.has(seed));

/** Tuning runs that are not there, as places in the table; none where no cell is left to run. */
export function tuningLeft(study: Study, found: Found, group: Group): [candidate: number, seed: number][] {
  if (seedsLeft(study, found, group).length === 0) return [];
  const tuned = found.tuning.get(group) as (TuningResult | undefined)[][];
  return tuned.flatMap((results, c) =>
    results.flatMap((result, s): [number, number][] => (result === undefined ? [[c, s]] : [])),
  );
}
