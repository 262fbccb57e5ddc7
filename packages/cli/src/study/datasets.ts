import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { createRng } from '@tsrl/core';
import { type LabelledText, supportTriage } from '@tsrl/data';
import { loadLabelledTexts } from '@tsrl/data/node';

/** Where the texts of a data set come from. */
export type DatasetConfig = FileDataset | GeneratedDataset;

/** Files under `--data`. */
export interface FileDataset {
  readonly train: string;
  readonly test: string;
  readonly textColumn?: string;
  readonly labelColumn?: string;
}

/** The embedded task: so many texts, drawn from a seed of its own, so that every run of the study sees the same. */
export interface GeneratedDataset {
  readonly generated: 'support-triage';
  readonly train: number;
  readonly test: number;
  readonly prior?: number;
  readonly seed?: number;
}

/** At most so many texts of each file, from its beginning. */
export interface Limits {
  readonly train?: number;
  readonly test?: number;
}

/** A data set as it is before any damage. */
export interface Dataset {
  readonly name: string;
  readonly train: readonly LabelledText[];
  readonly test: readonly LabelledText[];
  /** Of texts and labels of both parts. */
  readonly fingerprint: string;
}

/** What a thread needs to have the same data set. */
export interface DatasetSource {
  readonly name: string;
  readonly config: DatasetConfig;
  readonly directory: string;
  readonly limits: Limits;
}

/** @throws DataError for files that cannot be used */
export async function loadDataset({ name, config, directory, limits }: DatasetSource): Promise<Dataset> {
  const whole = 'generated' in config ? generate(config) : await load(config, directory);
  const train = whole.train.slice(0, limits.train);
  const test = whole.test.slice(0, limits.test);
  return { name, train, test, fingerprint: fingerprintOf([train, test]) };
}

async function load({ train, test, ...columns }: FileDataset, directory: string): Promise<Parts> {
  return {
    train: await loadLabelledTexts(join(directory, train), columns),
    test: await loadLabelledTexts(join(directory, test), columns),
  };
}

function generate({ train, test, prior = 0.5, seed = 0 }: GeneratedDataset): Parts {
  const root = createRng(seed);
  return {
    train: supportTriage(train, root.fork('train'), { prior }),
    test: supportTriage(test, root.fork('test'), { prior }),
  };
}

interface Parts {
  readonly train: readonly LabelledText[];
  readonly test: readonly LabelledText[];
}

function fingerprintOf(parts: readonly (readonly LabelledText[])[]): string {
  return shortHash(JSON.stringify(parts.map((part) => part.map(({ text, label }) => [text, label]))));
}

/** What tells one content from another. */
export const shortHash = (content: string): string => createHash('sha256').update(content).digest('hex').slice(0, 16);
