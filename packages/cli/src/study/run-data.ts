import { type Rng, StateError } from '@tsrl/core';
import type { LabelledText } from '@tsrl/data';
import { type Damage, damageAndSplit } from '../prepare-data.js';
import { type Dataset, type DatasetSource, loadDataset } from './datasets.js';
import { type FeatureModel, type Features, readBothParts } from './features.js';

/** What decides the data of a run, beside its seed. */
export interface DataTask {
  readonly source: DatasetSource;
  /** Of the data set, as the study began. */
  readonly fingerprint: string;
  readonly damaged: Damage;
  readonly seed: number;
  /** Where vectors are kept. */
  readonly out: string;
  readonly model: FeatureModel;
}

/** A text and its place in the data set. */
export interface Row extends LabelledText {
  readonly row: number;
}

/** The data of a run before it is tested; the same for every method, and a function of data set, damage and seed alone. */
export interface LearningRows {
  readonly train: readonly Row[];
  readonly validation: readonly Row[];
}

/** @param rng the fork `data` of the run's seed */
export function learningRows({ damaged }: DataTask, { train }: Dataset, rng: Rng): LearningRows {
  // Labels change and texts are left out; whatever else an example holds stays with it.
  return damageAndSplit(numbered(train, 0), undefined, damaged, rng) as unknown as LearningRows;
}

/** Texts with their places, the first one's being `first`: the test part stands behind the training part. */
export const numbered = (texts: readonly LabelledText[], first: number): Row[] =>
  texts.map((text, i) => ({ ...text, row: first + i }));

/** Whether the label was flipped on purpose. */
export const isFlipped = ({ row, label }: Row, { train }: Dataset): boolean => train[row]?.label !== label;

export const labelsOf = (rows: readonly Row[]): Float64Array => Float64Array.from(rows, ({ label }) => label);

/** The last few things that were read, by what they are: runs of one data set follow each other. */
export function remembering<T>(most: number): (key: string, read: () => T | Promise<T>) => Promise<T> {
  const kept = new Map<string, T>();
  return async (key, read) => {
    const known = kept.get(key) ?? (await read());
    kept.delete(key);
    kept.set(key, known);
    for (const old of kept.keys()) if (kept.size > most) kept.delete(old);
    return known;
  };
}

const datasets = remembering<Dataset>(2);
const vectors = remembering<Features>(2);

/** @throws StateError for texts that have changed since the study began */
export async function datasetOf({ source, fingerprint }: DataTask): Promise<Dataset> {
  const dataset = await datasets(JSON.stringify([source, fingerprint]), () => loadDataset(source));
  if (dataset.fingerprint === fingerprint) return dataset;
  throw new StateError('tsrl study', `the texts of ${source.name} have changed since the study began`);
}

export function featuresOf({ out, model, fingerprint }: DataTask, dataset: Dataset): Promise<Features> {
  return vectors(JSON.stringify([out, model, fingerprint]), () => readBothParts(out, model, dataset));
}
