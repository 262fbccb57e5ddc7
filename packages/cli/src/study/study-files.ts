import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, type Json } from '@tsrl/core';
import { writeFileAtomically } from '@tsrl/training/node';
import type { CellKey, CellResult } from './cell-result.js';
import type { Candidate, Group } from './plan.js';

type Place = Pick<Group, 'dataset' | 'damage' | 'method'>;

/** A run that failed, in the place of its result. */
export interface FailedCell extends CellKey {
  readonly inputs: Json;
  readonly error: string;
}

/** What a tuning run found: a score, or why there is none. */
export type TuningResult = {
  readonly inputs: Json;
  readonly candidate: Candidate;
  readonly seed: number;
} & ({ readonly score: number; readonly seconds: number } | { readonly error: string });

/** How many of the most suspicious labels had been flipped on purpose, of one data set, damage and seed. */
export interface SuspectList {
  readonly dataset: string;
  readonly damage: string;
  readonly seed: number;
  readonly listed: number;
  readonly flipped: number;
  /** What it was made of. */
  readonly inputs: Json;
}

/** The files of a study. */
export interface StudyFiles {
  cell(place: Place, seed: number): string;
  tuning(place: Place, candidate: Candidate, seed: number): string;
  readCell(place: Place, seed: number): Promise<CellResult | FailedCell | undefined>;
  readTuning(place: Place, candidate: Candidate, seed: number): Promise<TuningResult | undefined>;
  /** A result takes the place of a failure, and a failure that of a result. */
  writeCell(cell: CellResult | FailedCell): Promise<void>;
  writeTuning(place: Place, result: TuningResult): Promise<void>;
  writeHeader(header: Json): Promise<void>;
  readSuspects(): Promise<SuspectList[]>;
  /** All of them, in the place of those that were there; one call after the other. */
  writeSuspects(lists: readonly SuspectList[]): Promise<void>;
  /** Every cell that is there, finished or failed, as DATASET/DAMAGE/METHOD/SEED. */
  listCells(): Promise<string[]>;
}

export function studyFiles(out: string): StudyFiles {
  const folder = (kind: string, { dataset, damage, method }: Place): string => join(out, kind, dataset, damage, method);
  const cell = (place: Place, seed: number): string => join(folder('cells', place), `${seed}.json`);
  const failed = (file: string): string => file.replace(/\.json$/, '.failed.json');
  const tuning = (place: Place, candidate: Candidate, seed: number): string => {
    const values = Object.entries(candidate).map(([name, value]) => `${name}=${value}`);
    return join(folder('tuning', place), `${values.join(',')},seed=${seed}.json`);
  };
  const suspects = join(out, 'suspects.json');
  return {
    cell,
    tuning,
    readCell: async (place, seed) => {
      const file = cell(place, seed);
      return ((await readJson(file)) ?? (await readJson(failed(file)))) as CellResult | FailedCell | undefined;
    },
    readTuning: async (...where) => (await readJson(tuning(...where))) as TuningResult | undefined,
    async writeCell(result) {
      const file = cell(result, result.seed);
      const [written, other] = 'error' in result ? [failed(file), file] : [file, failed(file)];
      await writeFileAtomically(written, json(result));
      await rm(other, { force: true });
    },
    writeTuning: (place, result) => writeFileAtomically(tuning(place, result.candidate, result.seed), json(result)),
    writeHeader: (header) => writeFileAtomically(join(out, 'study.json'), json(header)),
    readSuspects: async () => ((await readJson(suspects)) ?? []) as SuspectList[],
    writeSuspects: (lists) => writeFileAtomically(suspects, json(lists)),
    async listCells() {
      const names = await readdir(join(out, 'cells'), { recursive: true }).catch(() => []);
      const cells = names.map((name) => /^(.+[\\/]\d+)(\.failed)?\.json$/.exec(name)?.[1]?.replaceAll('\\', '/'));
      return [...new Set(cells.filter((name) => name !== undefined))];
    },
  };
}

const json = (value: unknown): string => `${JSON.stringify(value)}\n`;

/** @throws DataError for a file that is no JSON: nothing here writes one */
async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ENOENT') return undefined;
    throw new DataError(file, `cannot be read (${(cause as Error).message})`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DataError(file, 'is no JSON; remove it, and the study makes it anew', { cause });
  }
}
