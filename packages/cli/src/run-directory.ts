import { appendFile, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, type Json, StateError } from '@tsrl/core';
import { differences, type Evaluation } from '@tsrl/training';
import { writeFileAtomically } from '@tsrl/training/node';
import type { RunResult } from './result.js';

/** The files of one run. */
export interface RunDirectory {
  readonly path: string;
  readonly checkpoint: string;
  /** What a frozen model gave, for a run that goes on. */
  readonly vectors: string;
  readonly model: string;
  readonly report: string;
  readonly suspects: string;
  /** Training begins or goes on: there is no result until it ends, and only this much history. */
  begin(history: readonly Evaluation[]): Promise<void>;
  /** Replaces the history by these lines. */
  setHistory(history: readonly Evaluation[]): Promise<void>;
  addToHistory(evaluation: Evaluation): Promise<void>;
  setReport(html: string): Promise<void>;
  /** Training texts whose labels are doubtful, a line each. */
  setSuspects(lines: readonly object[]): Promise<void>;
  /** Written last: a directory with a result holds a finished run. */
  setResult(result: RunResult): Promise<void>;
}

const OURS = ['result.json', 'history.jsonl', 'report.html', 'checkpoint', 'model', 'config.json', 'suspects.jsonl'];

/** What a killed process left: a model half written, beside its place. */
const LEFT = /^\.model-\w{6}$/;

/**
 * Takes a directory for a run of this configuration: an empty one, one that holds no run, or, with `resume`, one that
 * holds this very run, or, with `force`, one that holds any run, whose files are removed.
 *
 * @throws DataError when it holds a run, is a file, or holds files named like ours that are no run's; StateError when it holds a run of another configuration
 */
export async function claimRunDirectory(
  path: string,
  configuration: Json,
  { resume = false, force = false }: { readonly resume?: boolean | undefined; readonly force?: boolean | undefined },
): Promise<RunDirectory> {
  const config = join(path, 'config.json');
  const there = await stat(path).catch(() => undefined);
  if (there && !there.isDirectory()) throw new DataError(path, 'must be a directory; got a file');
  const taken = await firstOf(path);
  if (taken !== undefined && !force) {
    if (!resume) {
      throw new DataError(path, `holds another run (${taken}); --resume goes on with it, --force replaces it`);
    }
    const differing = differences(await readConfiguration(config), configuration);
    if (differing.length > 0) {
      throw new StateError(path, `--resume needs the configuration that the run began with: ${differing.join('; ')}`);
    }
  }
  if (taken !== undefined && force && !isRun(await configurationIn(path))) {
    throw new DataError(path, `holds ${taken} and no run of tsrl, which is all that --force replaces`);
  }
  if (force) for (const name of OURS) await rm(join(path, name), { recursive: true, force: true });
  try {
    await mkdir(path, { recursive: true });
    for (const name of await readdir(path)) if (LEFT.test(name)) await rm(join(path, name), { recursive: true });
    await writeFileAtomically(config, `${JSON.stringify(configuration, null, 2)}\n`);
  } catch (cause) {
    throw new DataError(path, `cannot be written to (${(cause as Error).message})`, { cause });
  }

  const history = join(path, 'history.jsonl');
  const report = join(path, 'report.html');
  const suspects = join(path, 'suspects.jsonl');
  return {
    path,
    report,
    suspects,
    checkpoint: join(path, 'checkpoint', 'checkpoint.safetensors'),
    vectors: join(path, 'checkpoint', 'vectors.safetensors'),
    model: join(path, 'model'),
    async begin(lines) {
      for (const name of ['result.json', 'report.html', 'suspects.jsonl']) await rm(join(path, name), { force: true });
      await writeFileAtomically(history, lines.map(line).join(''));
    },
    setHistory: (lines) => writeFileAtomically(history, lines.map(line).join('')),
    addToHistory: (evaluation) => appendFile(history, line(evaluation)),
    setSuspects: (records) => writeFileAtomically(suspects, records.map(line).join('')),
    setReport: (html) => writeFileAtomically(report, html),
    setResult: (result) => writeFileAtomically(join(path, 'result.json'), `${JSON.stringify(result, null, 2)}\n`),
  };
}

/** The configuration of the run in a directory: `undefined` when it holds no run, `null` when nobody can tell. */
export async function configurationIn(path: string): Promise<Json | undefined> {
  if ((await firstOf(path)) === undefined) return undefined;
  return readConfiguration(join(path, 'config.json')).catch(() => null);
}

const isRun = (configuration: Json | undefined): boolean =>
  typeof configuration === 'object' && configuration !== null && 'method' in configuration;

const line = (record: object): string => `${JSON.stringify(record)}\n`;

async function firstOf(path: string): Promise<string | undefined> {
  for (const name of OURS) if (await stat(join(path, name)).catch(() => undefined)) return name;
  return undefined;
}

async function readConfiguration(file: string): Promise<Json> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Json;
  } catch (cause) {
    throw new DataError(file, 'cannot be read, so the run cannot be resumed; --force begins anew', { cause });
  }
}
