import { cpus, totalmem } from 'node:os';
import { version_core } from '@tensorflow/tfjs-core';
import { DataError, type Json, StateError } from '@tsrl/core';
import { differences } from '@tsrl/training';
import { modelFingerprint } from '../prepare-data.js';
import type { Screen } from '../screen.js';
import { fields } from '../settings/index.js';
import { count } from '../show-training.js';
import { ownVersion } from '../train-run.js';
import { packBits } from './cell-result.js';
import { computeFeatures } from './compute-features.js';
import { type Dataset, type DatasetSource, loadDataset } from './datasets.js';
import type { FeatureModel } from './features.js';
import type { SuspectsAnswer, SuspectsTask } from './judge-labels.js';
import { bestCandidate, type Candidate, type Group, inputsOf, planGroups } from './plan.js';
import { type Running, showProgress, type Totals } from './progress.js';
import { type CellAnswer, isFrozen, type RunAnswer, type RunTask, type TuningAnswer } from './run.js';
import type { StudyConfig } from './study-config.js';
import { type StudyFiles, studyFiles, type TuningResult } from './study-files.js';
import { flippedPlaces, hasVectors, type Listing, placeOf, type SuspectLists, suspectLists } from './suspect-lists.js';
import { type Outcome, onThreads } from './threads.js';

export interface StudyOptions {
  readonly config: StudyConfig;
  /** What the paths of the data sets begin with. */
  readonly data: string;
  /** Directory of each model. */
  readonly models: Readonly<Record<string, string>>;
  readonly out: string;
  readonly threads: number;
  /** The module that a thread runs. */
  readonly script: URL;
  /** Stop when the vectors of frozen models are there. */
  readonly featuresOnly?: boolean;
  /** Run anew what failed, and what was made by other settings. */
  readonly redo?: boolean;
  readonly signal?: { readonly aborted: boolean } | undefined;
}

/** How a study ended. */
export interface StudyEnd {
  readonly stopped: 'done' | 'aborted' | 'features';
  readonly cells: number;
  readonly finished: number;
  readonly failed: number;
}

/**
 * Runs a grid of data sets, damages, methods and seeds, each method tuned by the one rule, over all threads. Every run
 * leaves a file, written whole or not at all; the same call goes on where another one ended, in whatever way.
 *
 * @throws DataError for data, models or results that do not fit the configuration; before anything is run
 */
export async function runStudy(options: StudyOptions, screen: Screen): Promise<StudyEnd> {
  const { config, out, threads, script, signal } = options;
  const sources = new Map<string, DatasetSource>();
  const datasets = new Map<string, Dataset>();
  for (const [name, dataset] of Object.entries(config.datasets)) {
    const source = { name, config: dataset, directory: options.data, limits: config.limits };
    sources.set(name, source);
    datasets.set(name, await loadDataset(source));
  }
  const groups = planGroups(config, datasets);
  if (groups.length === 0) throw new StateError('tsrl study', 'the configuration leaves nothing to run');
  const models = await modelsOf(options, groups);

  const everything: Study = { ...options, files: studyFiles(out), sources, datasets, groups, models };
  const cells = groups.length * config.seeds.length;
  // What is there is looked at first: nobody waits for vectors to hear that the results are of another configuration.
  const before = options.featuresOnly ? undefined : await look(everything);
  for (const { model, names } of frozenModels(everything)) {
    const needed = [...datasets.values()].filter(({ name }) => names.has(name));
    const computed = await computeFeatures({ out, model, datasets: needed, threads, script, signal }, screen);
    if (computed === 'aborted') return { stopped: 'aborted', cells, finished: before?.finished ?? 0, failed: 0 };
  }
  if (before === undefined) return { stopped: 'features', cells, finished: 0, failed: 0 };
  await everything.files.writeHeader(headerOf(everything));
  await tellOthers(everything, screen);
  const lists = await suspectLists(everything.files, listings(everything));
  const stopped = await runAll(everything, before, lists, screen);
  for (const problem of lists.problems) screen.say(problem);
  return { stopped, cells, finished: before.finished, failed: before.failed };
}

/** Cells of methods that were taken out of the configuration stay, and a report shows them. */
async function tellOthers({ files, groups, config, out }: Study, screen: Screen): Promise<void> {
  const ours = new Set(
    groups.flatMap(({ dataset, damage, method }) =>
      config.seeds.map((seed) => `${dataset}/${damage}/${method}/${seed}`),
    ),
  );
  const others = (await files.listCells()).filter((cell) => !ours.has(cell));
  if (others.length === 0) return;
  screen.say(
    `left as they are in ${out}: ${count(others.length, 'cell')} of no part of this configuration, like ${others[0]}`,
  );
}

interface Study extends Omit<StudyOptions, 'models'> {
  readonly files: StudyFiles;
  readonly sources: ReadonlyMap<string, DatasetSource>;
  readonly datasets: ReadonlyMap<string, Dataset>;
  readonly groups: readonly Group[];
  /** By name; without the length that is read of a text. */
  readonly models: ReadonlyMap<string, Omit<FeatureModel, 'maxLength'>>;
}

/** The models that are asked for, and whether they are there. */
async function modelsOf(
  { models }: StudyOptions,
  groups: readonly Group[],
): Promise<Map<string, Omit<FeatureModel, 'maxLength'>>> {
  const found = new Map<string, Omit<FeatureModel, 'maxLength'>>();
  for (const { model: name, settings } of groups) {
    if (found.has(name) || settings.method === 'tfidf') continue;
    const directory = models[name];
    if (directory === undefined)
      throw new DataError('tsrl study', `needs the directory of ${name}: --model ${name}=DIR`);
    try {
      found.set(name, { name, directory, fingerprint: await modelFingerprint(directory) });
    } catch (cause) {
      throw new DataError(directory, `cannot be read as the model ${name} (${(cause as Error).message})`, { cause });
    }
  }
  return found;
}

function modelOf({ models }: Study, { model, settings }: Group): FeatureModel {
  const length = settings.method === 'tfidf' ? undefined : settings.maxLength;
  const found = models.get(model) ?? { name: model, directory: '', fingerprint: '' };
  return { ...found, maxLength: length ?? fields.maxLength.default };
}

/** Models whose vectors are needed, each with the data sets that it is needed for. */
function frozenModels(study: Study): { readonly model: FeatureModel; readonly names: Set<string> }[] {
  const needed = new Map<string, { model: FeatureModel; names: Set<string> }>();
  for (const group of study.groups) {
    if (group.settings.method === 'tfidf' || !isFrozen(group.settings)) continue;
    const model = modelOf(study, group);
    const key = `${model.name} ${model.maxLength}`;
    const entry = needed.get(key) ?? { model, names: new Set<string>() };
    entry.names.add(group.source);
    needed.set(key, entry);
  }
  return [...needed.values()];
}

/** What has been found, and what is left; it changes as the study goes on. */
interface Found {
  /** By group: what is known of each candidate on each tuning seed. */
  readonly tuning: Map<Group, (TuningResult | undefined)[][]>;
  /** Seeds that are done, finished or failed. */
  readonly seeds: Map<Group, Set<number>>;
  finished: number;
  failed: number;
}

/** Everything that makes a cell what it is; the values that are tried are a part of it. */
const cellInputs = (study: Study, group: Group, seed: number): Json => ({
  ...inputsOf(group, seed, fingerprintsOf(study, group)),
  tuning: {
    candidates: group.candidates as unknown as Json,
    seeds: group.candidates.length > 1 ? study.config.tuning.seeds : [],
  },
});

const tuningInputs = (study: Study, group: Group, candidate: Candidate, seed: number): Json => ({
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
async function look(study: Study): Promise<Found> {
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

/** Every list of suspects that the study has: of each place where labels are flipped, for each seed. */
function listings(study: Study): Listing[] {
  const { config, out, sources, datasets } = study;
  return flippedPlaces(study.groups).flatMap((group) => {
    const { dataset, damage, damaged, source } = group;
    const { fingerprint } = datasets.get(source) as Dataset;
    const model = modelOf(study, group);
    const frozen = hasVectors(group);
    return config.seeds.map((seed): Listing => {
      const inputs = {
        dataset: fingerprint,
        model: frozen ? { fingerprint: model.fingerprint, maxLength: model.maxLength } : null,
        damage: { ...damaged } as Json,
        seed,
      };
      const from = sources.get(source) as DatasetSource;
      const task: SuspectsTask = { kind: 'suspects', source: from, fingerprint, damaged, seed, out, model, frozen };
      return { purpose: 'suspects', dataset, damage, method: 'suspects', seed, inputs, task };
    });
  });
}

/** A run that is to be done, and where it belongs. */
interface Planned extends Running {
  readonly purpose: RunTask['purpose'];
  readonly group: Group;
  readonly candidate: Candidate;
  /** Of a tuning run: its place in the table of what is known. */
  readonly at: readonly [candidate: number, seed: number] | undefined;
  readonly task: RunTask;
}

async function runAll(study: Study, found: Found, lists: SuspectLists, screen: Screen): Promise<'done' | 'aborted'> {
  const { files, groups, config, script } = study;
  const progress = showProgress(screen, config.name, totalsOf(study, found, lists));
  /** In the order of the plan, but for cells whose tuning has just ended: they come first. */
  const waiting: (Planned | Listing)[] = [];
  const urgent: Planned[] = [];
  let next = 0;
  const running = new Map<RunTask | SuspectsTask, Planned | Listing>();

  const fail = async (run: Running, group: Group, error: string): Promise<void> => {
    const { dataset, damage, method, seed } = run;
    const key = { track: config.name, dataset, damage, method, seed };
    await files.writeCell({ ...key, inputs: cellInputs(study, group, seed), error });
    found.failed++;
    progress.ended(run);
  };

  /** The cells of a group that is tuned; those of one that nothing could be trained for have failed. */
  const cellsOf = async (group: Group): Promise<Planned[]> => {
    const left = seedsLeft(study, found, group);
    const tuned = found.tuning.get(group) as readonly TuningResult[][];
    const scores = tuned.map((results) => results.map((result) => ('score' in result ? result.score : null)));
    const best = tuned.length > 0 ? bestCandidate(scores) : 0;
    if (best !== undefined) return left.map((seed) => planned(study, group, best, seed));
    const first = tuned.flat().find((result) => 'error' in result) as { readonly error: string };
    const { dataset, damage, method } = group;
    for (const seed of left) {
      await fail(
        { purpose: 'cell', dataset, damage, method, seed },
        group,
        `no candidate of tuning could be trained: ${first.error}`,
      );
    }
    return [];
  };

  const take = async (run: Planned, outcome: Outcome<RunAnswer>): Promise<void> => {
    const { group, candidate, seed, at, dataset, damage, method } = run;
    if (at !== undefined) {
      const inputs = tuningInputs(study, group, candidate, seed);
      const result = { inputs, candidate, seed, ...said(outcome) };
      await files.writeTuning(group, result);
      const tuned = found.tuning.get(group) as (TuningResult | undefined)[][];
      (tuned[at[0]] as (TuningResult | undefined)[])[at[1]] = result;
      progress.ended(run);
      if (tuned.flat().every((each) => each !== undefined)) urgent.push(...(await cellsOf(group)));
    } else if ('problem' in outcome) {
      await fail(run, group, outcome.problem);
    } else {
      const { measured } = outcome.answer as CellAnswer;
      const key = { track: config.name, dataset, damage, method, seed };
      await files.writeCell({ ...key, ...measured, tuned: candidate, inputs: cellInputs(study, group, seed) });
      found.finished++;
      progress.ended(run);
    }
  };

  const places = new Set<string>();
  for (const group of groups) {
    // Before the runs of the same place: they read the same things, and some ask the same judge.
    const place = placeOf(group);
    if (!places.has(place)) waiting.push(...lists.left.filter((listing) => placeOf(listing) === place));
    places.add(place);
    const missing = tuningLeft(study, found, group);
    const runs = missing.map(([c, s]) => planned(study, group, c, config.tuning.seeds[s] as number, [c, s]));
    waiting.push(...(runs.length > 0 ? runs : await cellsOf(group)));
  }
  try {
    return await onThreads<RunTask | SuspectsTask, RunAnswer | SuspectsAnswer>({
      threads: study.threads,
      script,
      data: null,
      next() {
        const run = urgent.shift() ?? waiting[next++];
        if (!run) return undefined;
        running.set(run.task, run);
        progress.started(run);
        return run.task;
      },
      async done(task, outcome) {
        const run = running.get(task) as Planned | Listing;
        running.delete(task);
        if (run.purpose !== 'suspects') return take(run, outcome as Outcome<RunAnswer>);
        await lists.take(run, outcome as Outcome<SuspectsAnswer>);
        progress.ended(run);
      },
      signal: study.signal,
    });
  } finally {
    progress.end();
  }
}

function planned(study: Study, group: Group, index: number, seed: number, at?: Planned['at']): Planned {
  const { dataset, damage, method } = group;
  const candidate = group.candidates[index] as Candidate;
  const purpose = at === undefined ? 'cell' : 'tuning';
  const task: RunTask = {
    kind: 'run',
    purpose,
    source: study.sources.get(group.source) as DatasetSource,
    fingerprint: (study.datasets.get(group.source) as Dataset).fingerprint,
    damaged: group.damaged,
    settings: { ...group.settings, ...candidate },
    seed,
    out: study.out,
    model: modelOf(study, group),
  };
  return { purpose, dataset, damage, method, seed, group, candidate, at, task };
}

/** A run that fails is no candidate; it says why. */
function said(outcome: Outcome<RunAnswer>): { score: number; seconds: number } | { error: string } {
  if ('problem' in outcome) return { error: outcome.problem };
  const { score, seconds } = outcome.answer as TuningAnswer;
  return { score, seconds };
}

const seedsLeft = ({ config }: Study, { seeds }: Found, group: Group): number[] =>
  config.seeds.filter((seed) => !seeds.get(group)?.has(seed));

/** Tuning runs that are not there, as places in the table; none where no cell is left to run. */
function tuningLeft(study: Study, found: Found, group: Group): [candidate: number, seed: number][] {
  if (seedsLeft(study, found, group).length === 0) return [];
  const tuned = found.tuning.get(group) as (TuningResult | undefined)[][];
  return tuned.flatMap((results, c) =>
    results.flatMap((result, s): [number, number][] => (result === undefined ? [[c, s]] : [])),
  );
}

function totalsOf(study: Study, found: Found, lists: SuspectLists): Totals {
  const { groups, config } = study;
  const cells = groups.length * config.seeds.length;
  const tunings = groups.filter(({ candidates }) => candidates.length > 1);
  const tuningRuns = tunings.reduce((sum, { candidates }) => sum + candidates.length * config.tuning.seeds.length, 0);
  const runs = cells + tuningRuns + flippedPlaces(groups).length * config.seeds.length;
  const left = groups.map((group) => [seedsLeft(study, found, group).length, tuningLeft(study, found, group).length]);
  const [cellsLeft, tuningsLeft] = [0, 1].map((i) => left.reduce((sum, both) => sum + (both[i] as number), 0));
  return {
    runs,
    cells,
    runsDone: runs - (cellsLeft as number) - (tuningsLeft as number) - lists.left.length,
    cellsDone: cells - (cellsLeft as number),
  };
}

/** `study.json`: what a report needs beside the cells. */
function headerOf({ config, groups, datasets }: Study): Json {
  const [cpu] = cpus();
  const tests = new Map(groups.map(({ dataset, source }) => [dataset, (datasets.get(source) as Dataset).test]));
  return {
    name: config.name,
    configuration: config.json,
    machine: {
      processor: cpu?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      platform: `${process.platform} ${process.arch}`,
    },
    versions: { tsrl: ownVersion(), tfjs: version_core, node: process.versions.node },
    datasets: Object.fromEntries(
      [...tests].map(([name, test]) => [
        name,
        {
          test: test.length,
          positives: test.reduce((sum, { label }) => sum + label, 0),
          labels: packBits(test.map(({ label }) => label === 1)),
        },
      ]),
    ),
  };
}
