import { createRng, StateError } from '@tsrl/core';
import { type CrossValidated, crossValidate, qualityOf, type TextVectors } from '../label-quality.js';
import { type Noise, noiseOf } from '../noise.js';
import type { TrainSettings } from '../settings/index.js';
import type { Features } from './features.js';
import {
  type DataTask,
  datasetOf,
  featuresOf,
  isFlipped,
  labelsOf,
  learningRows,
  type Row,
  remembering,
} from './run-data.js';

/** To judge the training labels of all runs with a data set, a damage and a seed. */
export interface SuspectsTask extends DataTask {
  readonly kind: 'suspects';
  /** Whether there are vectors of the model to judge by, beside words. */
  readonly frozen: boolean;
}

/** The top of the list of suspects, against what was flipped on purpose. */
export interface SuspectsAnswer {
  readonly purpose: 'suspects';
  readonly listed: number;
  readonly flipped: number;
}

/** How far down somebody would read. */
const MOST_LISTED = 100;

/** Lists suspicious labels as `tsrl train` does, and counts how many of the first hundred were flipped. */
export async function listSuspects(task: SuspectsTask): Promise<SuspectsAnswer> {
  const dataset = await datasetOf(task);
  const { train } = learningRows(task, dataset, createRng(task.seed).fork('data'));
  const features = task.frozen ? await featuresOf(task, dataset) : undefined;
  const { suspects } = qualityOf(await judged(task, train, features));
  const top = suspects.slice(0, MOST_LISTED);
  const flipped = top.filter(({ position }) => isFlipped(train[position] as Row, dataset)).length;
  return { purpose: 'suspects', listed: top.length, flipped };
}

/**
 * What is known of wrong labels, as in `tsrl train`: by the words of the damaged training texts; beliefs by vectors too,
 * where there are any. It depends on data, damage and seed alone; methods that ask for it follow each other.
 */
export function noiseOfTask(
  settings: TrainSettings,
  task: DataTask,
  train: readonly Row[],
  features: Features | undefined,
): Promise<Noise> {
  const vectors = settings.labels === 'posterior' ? features : undefined;
  return noiseOf(settings, {
    observed: labelsOf(train),
    file: task.source.name,
    judge: async () => qualityOf(await judged(task, train, vectors)),
    trusted: () => {
      throw new StateError('tsrl study', 'has no trusted labels for "trusted"');
    },
  });
}

const judgements = remembering<CrossValidated>(32);

function judged(task: DataTask, train: readonly Row[], features: Features | undefined): Promise<CrossValidated> {
  const { source, fingerprint, damaged, seed, out, model } = task;
  const by = features ? [out, model] : null;
  return judgements(JSON.stringify([source, fingerprint, damaged, seed, by]), () =>
    crossValidate(train, createRng(seed).fork('folds'), features && gather(features, train)),
  );
}

/** The vectors of these texts, in their order. */
function gather({ data, columns }: Features, rows: readonly Row[]): TextVectors {
  const gathered = new Float32Array(rows.length * columns);
  for (const [i, { row }] of rows.entries()) {
    gathered.set(data.subarray(row * columns, (row + 1) * columns), i * columns);
  }
  return { data: gathered, rows: rows.length, columns };
}
