import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '@tsrl/core';
import { familyOf } from './families.js';
import { parseGolden } from './golden.js';
import { type CaseResult, runCase, type Status } from './run-case.js';

export type Counts = Readonly<Record<Status, number>>;

/** What became of the cases of one file. */
export interface FileResult {
  readonly file: string;
  /** Whether there is a mapping of this file. */
  readonly mapped: boolean;
  readonly counts: Counts;
  readonly cases: readonly CaseResult[];
}

/** What became of a directory. */
export interface Report {
  readonly files: readonly FileResult[];
  readonly totals: Counts;
}

/**
 * Runs the golden files of a directory whose names start with `family` through the library, on the current backend.
 *
 * @throws DataError that names the directory or the file, when it cannot be read, or is not a golden file
 */
export async function runDirectory(directory: string, family = ''): Promise<Report> {
  const names = (await listing(directory)).filter((name) => name.endsWith('.json')).sort();
  const chosen = names.filter((name) => name.startsWith(family));
  if (chosen.length === 0) {
    const which = family === '' ? 'no golden file (*.json)' : `no golden file whose name starts with ${family}`;
    throw new DataError(directory, `the directory holds ${which}`);
  }
  // All of them are read before any is run: a malformed file ends the command, not half of its output.
  const parsed = await Promise.all(chosen.map(async (file) => ({ file, cases: await goldenOf(directory, file) })));
  const files: FileResult[] = [];
  for (const { file, cases } of parsed) {
    const mapping = familyOf(file);
    const results: CaseResult[] = [];
    for (const golden of cases) results.push(await runCase(file, golden, mapping));
    files.push({ file, mapped: mapping !== undefined, counts: count(results), cases: results });
  }
  return { files, totals: count(files.flatMap(({ cases }) => cases)) };
}

async function listing(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    throw new DataError(directory, `the directory cannot be read (${(cause as NodeJS.ErrnoException).code})`, {
      cause,
    });
  }
}

async function goldenOf(directory: string, file: string): Promise<ReturnType<typeof parseGolden>> {
  const path = join(directory, file);
  try {
    return parseGolden(path, await readFile(path, 'utf8'));
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(path, `the file cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}

function count(results: readonly CaseResult[]): Counts {
  const of = (status: Status): number => results.filter((result) => result.status === status).length;
  return {
    passed: of('passed'),
    failed: of('failed'),
    'differs by decision': of('differs by decision'),
    'not mapped': of('not mapped'),
  };
}
