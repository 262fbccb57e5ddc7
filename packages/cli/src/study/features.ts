import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, isTsrlError } from '@tsrl/core';
import { parseSafetensors, writeSafetensors } from '@tsrl/safetensors';
import { writeFileAtomically } from '@tsrl/training/node';
import { type Dataset, shortHash } from './datasets.js';

/** A model whose vectors are computed once: its name in the study, its files, and how much it reads of a text. */
export interface FeatureModel {
  readonly name: string;
  readonly directory: string;
  readonly fingerprint: string;
  readonly maxLength: number;
}

/** [rows, columns], row-major: a vector for each text. */
export interface Features {
  readonly data: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

export type Part = 'train' | 'test';

/** Where the vectors of a part of a data set are kept, and what they must have been made of. */
export interface FeatureFile {
  readonly file: string;
  readonly fingerprint: string;
}

/** Texts, model and length make the vectors; nothing else does. */
export function featureFile(out: string, model: FeatureModel, dataset: Dataset, part: Part): FeatureFile {
  const texts = dataset[part].map(({ text }) => text);
  return {
    file: join(out, 'features', `${model.name}-${model.maxLength}`, `${dataset.name}.${part}.safetensors`),
    fingerprint: shortHash(JSON.stringify([model.fingerprint, model.maxLength, texts])),
  };
}

export async function writeFeatures({ file, fingerprint }: FeatureFile, features: Features): Promise<void> {
  const { data, rows, columns } = features;
  const tensors = new Map([['features', { shape: [rows, columns], data }]]);
  await writeFileAtomically(file, writeSafetensors(tensors, { metadata: { fingerprint } }));
}

/** `undefined` when there are none, or none of these texts, this model and this length. */
export async function readFeatures({ file, fingerprint }: FeatureFile): Promise<Features | undefined> {
  try {
    const stored = parseSafetensors(await readFile(file), file);
    if (stored.metadata['fingerprint'] !== fingerprint) return undefined;
    const [rows, columns] = (stored.tensors.get('features')?.shape ?? []) as [number, number];
    return { data: stored.read('features').data as Float32Array, rows, columns };
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT' || isTsrlError(error, 'data')) return undefined;
    throw error;
  }
}

/** The vectors of both parts in one table: a text of the test part stands behind all of the training part. */
export async function readBothParts(out: string, model: FeatureModel, dataset: Dataset): Promise<Features> {
  const parts: Features[] = [];
  for (const part of ['train', 'test'] as const) {
    const place = featureFile(out, model, dataset, part);
    const features = await readFeatures(place);
    if (!features) throw new DataError(place.file, 'is not there, or of other texts; run the study anew');
    parts.push(features);
  }
  const [train, test] = parts as [Features, Features];
  const data = new Float32Array(train.data.length + test.data.length);
  data.set(train.data);
  data.set(test.data, train.data.length);
  return { data, rows: train.rows + test.rows, columns: train.columns };
}
