import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, type Rng } from '@tsrl/core';
import {
  classCounts,
  flipLabels,
  type LabelledText,
  type RecordedText,
  stratifiedSplit,
  subsampleToImbalance,
} from '@tsrl/data';
import { loadLabelledTexts } from '@tsrl/data/node';
import type { Examples } from '@tsrl/training';
import type { DataSize } from './result.js';
import type { TrainSettings } from './settings/index.js';

/** Files of a run, and columns in them. */
export interface DataFiles {
  readonly train: string;
  readonly test: string;
  readonly validation?: string | undefined;
  readonly trusted?: string | undefined;
  readonly textColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
}

/** A text of the training file, and the line that it begins on. */
export interface TrainingText extends LabelledText {
  readonly line?: number;
}

/** What is trained, validated and tested on. */
export interface RunData {
  readonly train: readonly TrainingText[];
  readonly validation: readonly LabelledText[];
  readonly test: readonly LabelledText[];
  readonly flippedLabels: number;
}

/** What is done to the training data on purpose. */
export type Damage = Pick<TrainSettings, 'labelNoise' | 'falsePositiveNoise' | 'falseNegativeNoise' | 'imbalance'>;

export const noDamage: Damage = { labelNoise: 0, falsePositiveNoise: 0, falseNegativeNoise: 0, imbalance: null };

/** A tenth of the training data validates when there is no file for it. */
const VALIDATION_SHARE = 0.1;

export async function loadRunData(
  { train, test, validation, textColumn, labelColumn }: DataFiles,
  damage: Damage,
  rng: Rng,
): Promise<RunData> {
  const columns = columnsOf({ textColumn, labelColumn });
  const load = (file: string): Promise<RecordedText[]> => loadLabelledTexts(file, columns);
  const given = {
    train: await load(train),
    test: await load(test),
    validation: validation && (await load(validation)),
  };
  if (!given.validation) expectEnoughToSplit(given.train, train, damage.imbalance);
  return { ...damageAndSplit(given.train, given.validation || undefined, damage, rng), test: given.test };
}

/** The texts of `--trusted`. */
export const loadTrusted = ({ trusted, ...columns }: DataFiles): Promise<RecordedText[]> =>
  loadLabelledTexts(trusted as string, columnsOf(columns));

const columnsOf = ({ textColumn, labelColumn }: Pick<DataFiles, 'textColumn' | 'labelColumn'>) => ({
  ...(textColumn && { textColumn }),
  ...(labelColumn && { labelColumn }),
});

/** Training and validation part need both classes each. */
function expectEnoughToSplit(examples: readonly LabelledText[], file: string, imbalance: number | null): void {
  const [zeros, ones] = classCounts(examples);
  const kept = imbalance === null ? ones : Math.min(ones, Math.round(zeros / imbalance));
  if (Math.min(zeros, kept) >= 2) return;
  const cut = kept < ones ? ` after --imbalance ${imbalance}` : '';
  throw new DataError(
    file,
    `expected two texts or more of each class, to split off validation texts (or a file for --validation); ` +
      `got ${zeros} of class 0 and ${Math.max(kept, 1)} of class 1${cut}`,
  );
}

/**
 * Cuts and flips the training data as asked, then splits off the validation data: it is damaged like the rest, as it
 * would be in life. A validation set of its own, and the test set, stay as they are.
 */
export function damageAndSplit(
  examples: readonly TrainingText[],
  validation: readonly LabelledText[] | undefined,
  { labelNoise, falsePositiveNoise, falseNegativeNoise, imbalance }: Damage,
  rng: Rng,
): Omit<RunData, 'test'> {
  const cut =
    imbalance === null ? examples : subsampleToImbalance(examples, { ratio: imbalance }, rng.fork('imbalance'));
  const rates = { falsePositive: labelNoise || falsePositiveNoise, falseNegative: labelNoise || falseNegativeNoise };
  const noisy = flipLabels(cut, rates, rng.fork('label noise'));
  const flippedLabels = noisy.flipped.length;
  if (validation) return { train: noisy.examples, validation, flippedLabels };
  const [train, held] = stratifiedSplit(noisy.examples, VALIDATION_SHARE, rng.fork('split'));
  return { train, validation: held, flippedLabels };
}

/** The texts of a run as token ids. */
export interface RunExamples {
  readonly train: Examples;
  readonly validation: Examples;
  readonly test: Examples;
}

/** @throws what `encode` throws: a template longer than `maxLength`, a token outside the vocabulary */
export function tokenizeRun(
  encode: (text: string, maxLength: number) => Int32Array,
  { train, validation, test }: RunData,
  maxLength: number,
): RunExamples {
  const examples = (texts: readonly LabelledText[]): Examples => tokenize(encode, texts, maxLength);
  return { train: examples(train), validation: examples(validation), test: examples(test) };
}

/** Texts as token ids, cut to `maxLength`. */
export function tokenize(
  encode: (text: string, maxLength: number) => Int32Array,
  examples: readonly LabelledText[],
  maxLength: number,
): Examples {
  return {
    sequences: examples.map(({ text }) => encode(text, maxLength)),
    labels: Float64Array.from(examples, ({ label }) => label),
  };
}

export function sizeOf(examples: readonly LabelledText[]): DataSize {
  return { examples: examples.length, positives: classCounts(examples)[1] };
}

/** What identifies the content of files: a resumed run must read the same. */
export async function fingerprint(...files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex').slice(0, 16);
}

/** The same of a model directory: its configuration, weights and tokenizer. */
export async function modelFingerprint(directory: string): Promise<string> {
  const names = (await readdir(directory)).filter((name) => /\.(json|safetensors|txt)$/.test(name)).sort();
  return fingerprint(...names.map((name) => join(directory, name)));
}
