import { DataError, type Json, StateError } from '@tsrl/core';
import { modelFingerprint } from '../prepare-data.js';
import type { Screen } from '../screen.js';
import { count } from '../show-training.js';
import { computeFeatures } from './compute-features.js';
import { type Dataset, type DatasetSource, loadDataset } from './datasets.js';
import type { FeatureModel } from './features.js';
import { look } from './found.js';
import type { SuspectsTask } from './judge-labels.js';
import { type Group, planGroups } from './plan.js';
import { isFrozen } from './run.js';
import { runAll } from './run-all.js';
import { modelOf, type Study, type StudyOptions } from './study.js';
import { studyFiles } from './study-files.js';
import { headerOf } from './study-header.js';
import { flippedPlaces, hasVectors, type Listing, suspectLists } from './suspect-lists.js';

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
