import { BackendError } from '@tsrl/core';
import type { Screen } from '../screen.js';
import type { Dataset } from './datasets.js';
import {
  type FeatureFile,
  type FeatureModel,
  featureFile,
  type Part,
  readFeatures,
  writeFeatures,
} from './features.js';
import { onThreads } from './threads.js';

/** Texts that go to one thread together. */
export interface FeatureTask {
  readonly kind: 'features';
  /** Of the model. */
  readonly directory: string;
  readonly maxLength: number;
  readonly texts: readonly string[];
}

/** [texts, columns] */
export interface FeatureAnswer {
  readonly data: Float32Array;
  readonly columns: number;
}

export interface ComputeFeaturesOptions {
  readonly out: string;
  readonly model: FeatureModel;
  readonly datasets: readonly Dataset[];
  readonly threads: number;
  readonly script: URL;
  readonly signal?: { readonly aborted: boolean } | undefined;
}

/** A part whose vectors are missing, and how many of its tasks are not done. */
interface Missing {
  readonly dataset: Dataset;
  readonly part: Part;
  readonly place: FeatureFile;
  left: number;
}

/** A few batches: progress is seen, and the last thread does not work alone for long. */
const TEXTS_PER_TASK = 64;

/**
 * Computes the vectors that are not there yet, of every part of every data set, and writes each part as soon as it is
 * complete: a kill loses what was begun, and the same call goes on with the rest. A text that stands in two data sets is
 * computed once.
 *
 * Texts of like length share a task, long ones first; which ones does not depend on the number of threads.
 *
 * @throws BackendError when a text cannot be computed
 */
export async function computeFeatures(options: ComputeFeaturesOptions, screen: Screen): Promise<'done' | 'aborted'> {
  const { out, model, datasets, threads, script, signal } = options;
  const known = new Map<string, Float32Array>();
  const missing: Missing[] = [];
  for (const dataset of datasets) {
    for (const part of ['train', 'test'] as const) {
      const place = featureFile(out, model, dataset, part);
      const features = await readFeatures(place);
      if (!features) missing.push({ dataset, part, place, left: 0 });
      else learn(known, dataset[part], features);
    }
  }
  const planned = new Set<string>(known.keys());
  const tasks = missing.flatMap((job) => {
    const texts = [...new Set(job.dataset[job.part].map(({ text }) => text))].filter((text) => !planned.has(text));
    for (const text of texts) planned.add(text);
    const own = split(texts, model);
    job.left = own.length;
    return own.map((task) => ({ job, task }));
  });
  if (missing.length === 0) return 'done';

  const total = tasks.reduce((sum, { task }) => sum + task.texts.length, 0);
  let [first, next, done] = [0, 0, 0];
  /** In order: what a part shares with an earlier one is there. */
  const writeComplete = async (): Promise<void> => {
    for (let job = missing[first]; job && job.left === 0; job = missing[first]) {
      first++;
      await writeFeatures(job.place, gather(known, job.dataset[job.part]));
    }
  };
  screen.bar(`vectors of ${model.name}`, total, 0, 'texts');
  try {
    if (tasks.length === 0) await writeComplete();
    return await onThreads<FeatureTask, FeatureAnswer>({
      threads: Math.min(threads, tasks.length),
      script,
      data: null,
      next: () => tasks[next++]?.task,
      async done(task, outcome) {
        const { job } = tasks.find((each) => each.task === task) as { job: Missing };
        const what = `${job.dataset.name} ${job.part}`;
        if ('problem' in outcome) throw new BackendError('tsrl study', `the vectors of ${what}: ${outcome.problem}`);
        learn(
          known,
          task.texts.map((text) => ({ text })),
          outcome.answer,
        );
        done += task.texts.length;
        job.left--;
        screen.move(done, what);
        if (job.left === 0) await writeComplete();
      },
      signal,
    });
  } finally {
    screen.end();
  }
}

function split(texts: string[], { directory, maxLength }: FeatureModel): FeatureTask[] {
  texts.sort((a, b) => b.length - a.length);
  return Array.from({ length: Math.ceil(texts.length / TEXTS_PER_TASK) }, (_, i) => ({
    kind: 'features',
    directory,
    maxLength,
    texts: texts.slice(i * TEXTS_PER_TASK, (i + 1) * TEXTS_PER_TASK),
  }));
}

function learn(
  known: Map<string, Float32Array>,
  texts: readonly { readonly text: string }[],
  { data, columns }: { readonly data: Float32Array; readonly columns: number },
): void {
  for (const [i, { text }] of texts.entries()) known.set(text, data.subarray(i * columns, (i + 1) * columns));
}

function gather(
  known: ReadonlyMap<string, Float32Array>,
  texts: readonly { readonly text: string }[],
): { data: Float32Array; rows: number; columns: number } {
  const rows = texts.map(({ text }) => known.get(text) as Float32Array);
  const columns = rows[0]?.length ?? 0;
  const data = new Float32Array(rows.length * columns);
  for (const [i, row] of rows.entries()) data.set(row, i * columns);
  return { data, rows: rows.length, columns };
}
