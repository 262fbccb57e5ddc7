import { createRng, type Json, type Rng } from '@tsrl/core';
import { fitTextClassifier, textClassifier } from '@tsrl/linear';
import { featurePolicy, type TextPolicy } from '@tsrl/policies';
import { readModelDirectory } from '@tsrl/policies/node';
import type { BinaryPolicy } from '@tsrl/tensor';
import type { Examples } from '@tsrl/training';
import { learn } from '../learn.js';
import { calibratedPolicy } from '../make-policy.js';
import { tokenizeRun } from '../prepare-data.js';
import { completeSettings, type GivenSettings, type TrainSettings } from '../settings/index.js';
import { type Measured, measure, type ScoredLabels } from './cell-result.js';
import type { Dataset } from './datasets.js';
import type { Features } from './features.js';
import { noiseOfTask } from './judge-labels.js';
import type { RunSettings } from './plan.js';
import {
  type DataTask,
  datasetOf,
  featuresOf,
  isFlipped,
  type LearningRows,
  labelsOf,
  learningRows,
  numbered,
  type Row,
} from './run-data.js';

/** One run: a method on a data set with a damage and a seed. */
export interface RunTask extends DataTask {
  readonly kind: 'run';
  /** A tuning run sees no test text; a cell is tested. */
  readonly purpose: 'tuning' | 'cell';
  /** With the values that are tuned. */
  readonly settings: RunSettings;
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

/** The data of a run. */
interface RunRows extends LearningRows {
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
  const flipped = rows.train.filter((row) => isFlipped(row, dataset)).length;
  const data = {
    train: rows.train.length,
    positives: positivesOf(rows.train),
    flipped,
    validation: rows.validation.length,
    test: rows.test.length,
  };
  return { purpose: 'cell', measured: { settings, steps, seconds, data, ...measure(validation, test), curve } };
}

function rowsOf(task: RunTask, dataset: Dataset, rng: Rng): RunRows {
  const rows = learningRows(task, dataset, rng);
  const test = task.purpose === 'tuning' ? rows.validation : numbered(dataset.test, dataset.train.length);
  return { train: rows.train, validation: rows.validation, test };
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
  const features = isFrozen(given) ? await featuresOf(task, dataset) : undefined;
  const { policy, settings, examples, dispose } = features
    ? await onFeatures(features, complete(0), rows, share, rng)
    : await onTexts(task, complete, rows, share, rng);
  try {
    const noise = await noiseOfTask(settings, task, rows.train, features);
    const learned = await learn({ settings, examples, policy, noise });
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

const positivesOf = (rows: readonly Row[]): number => rows.reduce((sum, { label }) => sum + label, 0);
