import { createRng, DataError, type Json, type Rng, StateError, show } from '@tsrl/core';
import type { LabelledText } from '@tsrl/data';
import { fitTextClassifier, textClassifier } from '@tsrl/linear';
import { featurePolicy, type TextPolicy } from '@tsrl/policies';
import { readModelDirectory } from '@tsrl/policies/node';
import type { BinaryPolicy } from '@tsrl/tensor';
import type { Examples } from '@tsrl/training';
import { labelQuality } from '../label-quality.js';
import { learn } from '../learn.js';
import type { NoiseFacts } from '../make-method.js';
import { calibratedPolicy } from '../make-policy.js';
import { type Damage, damageAndSplit, tokenizeRun } from '../prepare-data.js';
import { completeSettings, type GivenSettings, type TrainSettings } from '../settings/index.js';
import { type Measured, measure, type ScoredLabels } from './cell-result.js';
import { type Dataset, type DatasetSource, loadDataset } from './datasets.js';
import { type FeatureModel, type Features, readBothParts } from './features.js';
import type { RunSettings } from './plan.js';

/** One run: a method on a data set with a damage and a seed. */
export interface RunTask {
  readonly kind: 'run';
  /** A tuning run sees no test text; a cell is tested. */
  readonly purpose: 'tuning' | 'cell';
  readonly source: DatasetSource;
  /** Of the data set, as the study began. */
  readonly fingerprint: string;
  readonly damaged: Damage;
  /** With the values that are tuned. */
  readonly settings: RunSettings;
  readonly seed: number;
  /** Where vectors are kept. */
  readonly out: string;
  readonly model: FeatureModel;
}

/** What a run answers. */
export type RunAnswer = TuningAnswer | CellAnswer;

export interface TuningAnswer {
  readonly purpose: 'tuning';
  /** Balanced accuracy on the validation split. */
  readonly score: number;
  readonly seconds: number;
}

export interface CellAnswer {
  readonly purpose: 'cell';
  readonly measured: Measured;
}

/** A text and its place in the data set. */
interface Row extends LabelledText {
  readonly row: number;
}

/** The data of a run; the same for every method, and a function of data set, damage and seed alone. */
interface RunRows {
  readonly train: readonly Row[];
  readonly validation: readonly Row[];
  /** Of a tuning run the validation split: what is not read cannot be looked at. */
  readonly test: readonly Row[];
}

/** What a method makes of the data. */
interface Result {
  readonly settings: Json;
  readonly validation: ScoredLabels;
  readonly test: ScoredLabels;
  readonly steps: number;
  readonly curve: Measured['curve'];
}

/** Does a run. Its numbers depend on the task alone, not on what this thread did before. */
export async function doRun(task: RunTask): Promise<RunAnswer> {
  const dataset = await datasetOf(task);
  const root = createRng(task.seed);
  const rows = rowsOf(task, dataset, root.fork('data'));
  const started = performance.now();
  const result =
    task.settings.method === 'tfidf'
      ? linear(task.settings, rows)
      : await gradient(task, task.settings, dataset, rows, root.fork('policy'));
  const seconds = (performance.now() - started) / 1000;
  const { validation, test, settings, steps, curve } = result;
  if (task.purpose === 'tuning') {
    return { purpose: 'tuning', score: measure(validation, validation).half.balancedAccuracy, seconds };
  }
  const flipped = rows.train.filter(({ row, label }) => dataset.train[row]?.label !== label).length;
  const data = {
    train: rows.train.length,
    positives: positivesOf(rows.train),
    flipped,
    validation: rows.validation.length,
    test: rows.test.length,
  };
  return { purpose: 'cell', measured: { settings, steps, seconds, data, ...measure(validation, test), curve } };
}

function rowsOf({ purpose, damaged }: RunTask, { train, test }: Dataset, rng: Rng): RunRows {
  const numbered = (texts: readonly LabelledText[], first: number): Row[] =>
    texts.map((text, i) => ({ ...text, row: first + i }));
  // Labels change and texts are left out; whatever else an example holds stays with it.
  const damagedRows = damageAndSplit(numbered(train, 0), undefined, damaged, rng) as unknown as Omit<RunRows, 'test'>;
  const held = purpose === 'tuning' ? damagedRows.validation : numbered(test, train.length);
  return { train: damagedRows.train, validation: damagedRows.validation, test: held };
}

async function gradient(
  task: RunTask,
  given: GivenSettings,
  dataset: Dataset,
  rows: RunRows,
  rng: Rng,
): Promise<Result> {
  const positives = positivesOf(rows.train);
  const share = positives / rows.train.length;
  const complete = (parameters: number): TrainSettings =>
    completeSettings(
      { ...given, ...task.damaged, seed: task.seed, threads: 1, backend: 'wasm' },
      { parameters, minorityShare: Math.min(share, 1 - share) },
    );
  const { policy, settings, examples, dispose } = isFrozen(given)
    ? await onFeatures(await featuresOf(task, dataset), complete(0), rows, share, rng)
    : await onTexts(task, complete, rows, share, rng);
  try {
    const learned = await learn({ settings, examples, policy, noiseRates: await noiseOf(settings, task, rows.train) });
    const { validationLogits, testLogits, steps, history } = learned;
    return {
      settings: settings as unknown as Json,
      validation: { logits: validationLogits, labels: examples.validation.labels },
      test: { logits: testLogits, labels: examples.test.labels },
      steps,
      curve: history.map(({ step, validation }) => ({ step, balancedAccuracy: validation?.balancedAccuracy ?? 0 })),
    };
  } finally {
    dispose();
  }
}

/** A frozen model is read once for the whole study: its vectors stand in for it. */
export const isFrozen = ({ trainable, policy }: Partial<TrainSettings>): boolean =>
  trainable === 'head' && policy !== 'verbalizer';

interface Prepared {
  readonly policy: BinaryPolicy;
  readonly settings: TrainSettings;
  readonly examples: { readonly train: Examples; readonly validation: Examples; readonly test: Examples };
  dispose(): void;
}

/** Where the bias of a head starts: the share of class 1 among what it is shown. */
const priorOf = ({ sampling }: TrainSettings, share: number): number => (sampling === 'plain' ? share : 0.5);

async function onFeatures(
  features: Features,
  settings: TrainSettings,
  rows: RunRows,
  share: number,
  rng: Rng,
): Promise<Prepared> {
  const prior = priorOf(settings, share);
  const policy = featurePolicy(features, {
    valueHead: settings.baseline === 'value-head',
    bias: Math.log(prior / (1 - prior)),
    rng: rng.fork('head'),
  });
  const examples = (of: readonly Row[]): Examples => ({
    sequences: of.map(({ row }) => policy.encode(row)),
    labels: labelsOf(of),
  });
  return {
    policy,
    settings,
    examples: { train: examples(rows.train), validation: examples(rows.validation), test: examples(rows.test) },
    dispose: () => policy.dispose(),
  };
}

async function onTexts(
  { model }: RunTask,
  complete: (parameters: number) => TrainSettings,
  rows: RunRows,
  share: number,
  rng: Rng,
): Promise<Prepared> {
  const language = await readModelDirectory(model.directory); // anew each time: training changes it
  const parameters = [...language.model.weights.values()].reduce((sum, { size }) => sum + size, 0);
  const settings = complete(parameters);
  let policy: TextPolicy | undefined;
  const dispose = (): void => {
    policy?.dispose();
    language.model.dispose();
  };
  try {
    policy = await calibratedPolicy(language, settings, { prior: priorOf(settings, share), rng });
    const examples = tokenizeRun(policy.encode, { ...rows, flippedLabels: 0 }, settings.maxLength);
    return { policy, settings, examples, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/**
 * Rates of wrong labels, where the settings ask to estimate them: from the words of the damaged training texts, as
 * `tsrl train` does. They depend on data, damage and seed alone; methods that ask for them follow each other.
 */
function noiseOf({ noiseRates }: TrainSettings, task: RunTask, train: readonly Row[]): Promise<NoiseFacts> | undefined {
  if (noiseRates === null || Array.isArray(noiseRates)) return undefined;
  if (noiseRates !== 'confident') throw new StateError('tsrl study', `has no trusted labels for ${show(noiseRates)}`);
  const { fingerprint, damaged, seed } = task;
  return estimates(JSON.stringify([fingerprint, damaged, seed]), async () => {
    const { rates } = labelQuality(train, createRng(seed).fork('folds'));
    if (typeof rates !== 'string') return rates;
    throw new DataError(task.source.name, `noiseRates confident finds no rates: ${rates}`);
  });
}

function linear(settings: Extract<RunSettings, { method: 'tfidf' }>, { train, validation, test }: RunRows): Result {
  const { classWeights, inverseRegularization = 1 } = settings;
  const model = fitTextClassifier(
    { texts: train.map(({ text }) => text), labels: labelsOf(train) },
    { classWeights, inverseRegularization },
  );
  const classify = textClassifier(model);
  const scored = (rows: readonly Row[]): ScoredLabels => ({
    logits: classify(rows.map(({ text }) => text)).map(boundedLogit),
    labels: labelsOf(rows),
  });
  return {
    settings: { method: 'tfidf', classWeights, inverseRegularization },
    validation: scored(validation),
    test: scored(test),
    steps: 0,
    curve: [],
  };
}

/** Log-odds, held within what a double can tell from certainty. */
function boundedLogit(probability: number): number {
  const p = Math.min(Math.max(probability, 1e-15), 1 - 1e-15);
  return Math.log(p) - Math.log1p(-p);
}

const labelsOf = (rows: readonly Row[]): Float64Array => Float64Array.from(rows, ({ label }) => label);
const positivesOf = (rows: readonly Row[]): number => rows.reduce((sum, { label }) => sum + label, 0);

/** The last few things that were read, by what they are: runs of one data set follow each other. */
function remembering<T>(most: number): (key: string, read: () => Promise<T>) => Promise<T> {
  const kept = new Map<string, T>();
  return async (key, read) => {
    const known = kept.get(key) ?? (await read());
    kept.delete(key);
    kept.set(key, known);
    for (const old of kept.keys()) if (kept.size > most) kept.delete(old);
    return known;
  };
}

const estimates = remembering<NoiseFacts>(64);
const datasets = remembering<Dataset>(2);
const vectors = remembering<Features>(2);

async function datasetOf({ source, fingerprint }: RunTask): Promise<Dataset> {
  const dataset = await datasets(JSON.stringify([source, fingerprint]), () => loadDataset(source));
  if (dataset.fingerprint === fingerprint) return dataset;
  throw new StateError('tsrl study', `the texts of ${source.name} have changed since the study began`);
}

function featuresOf({ out, model, fingerprint }: RunTask, dataset: Dataset): Promise<Features> {
  return vectors(JSON.stringify([out, model, fingerprint]), () => readBothParts(out, model, dataset));
}
