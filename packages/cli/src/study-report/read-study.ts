import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '@tsrl/core';
import { type CellResult, type FailedCell, pathOf, type StudyHeader, type SuspectList, type Track } from './cell.js';

/**
 * The tracks of one or more study directories. Studies of one track are put together, so that methods that were run
 * later stand beside those that were run first; a test set must be the same in all.
 *
 * @throws DataError for a file that is missing or no JSON, test sets that differ, a cell that two studies have
 */
export function readStudies(directories: readonly string[]): Track[] {
  const tracks = new Map<string, Gathered>();
  for (const directory of directories) {
    const { datasets, ...study } = readHeader(directory);
    const { cells, failed } = readCells(directory);
    const suspects = readSuspects(directory);
    const names = new Set([...cells, ...failed].map(({ track }) => track));
    for (const name of names) {
      const track = tracks.get(name) ?? gathering();
      tracks.set(name, track);
      track.studies.push(study);
      track.suspects.push(...suspects);
      for (const [dataset, test] of Object.entries(datasets)) {
        const known = track.datasets[dataset];
        if (known && (known.labels !== test.labels || known.test !== test.test)) {
          throw new DataError(
            join(directory, 'study.json'),
            `${dataset} is another test set than in the other studies`,
          );
        }
        track.datasets[dataset] = test;
      }
      for (const cell of cells.filter((one) => one.track === name)) {
        if (track.cells.has(pathOf(cell))) {
          throw new DataError(join(directory, 'cells', pathOf(cell)), 'another study has this cell already');
        }
        track.cells.set(pathOf(cell), cell);
      }
      for (const cell of failed.filter((one) => one.track === name)) track.failed.set(pathOf(cell), cell);
    }
  }
  return [...tracks].map(([name, { cells, failed, ...rest }]) => ({
    name,
    ...rest,
    cells: [...cells.values()],
    failed: [...failed.values()].filter((cell) => !cells.has(pathOf(cell))), // what failed once may have been done again
  }));
}

interface Gathered {
  readonly studies: Track['studies'][number][];
  readonly datasets: Record<string, StudyHeader['datasets'][string]>;
  readonly cells: Map<string, CellResult>;
  readonly failed: Map<string, FailedCell>;
  readonly suspects: SuspectList[];
}

const gathering = (): Gathered => ({ studies: [], datasets: {}, cells: new Map(), failed: new Map(), suspects: [] });

const readHeader = (directory: string): StudyHeader => readJson(join(directory, 'study.json')) as StudyHeader;

function readSuspects(directory: string): SuspectList[] {
  const file = join(directory, 'suspects.json');
  return existsSync(file) ? (readJson(file) as SuspectList[]) : [];
}

/** Every cell, in the order of the paths; a failed one whose file names no track belongs to that of its neighbours. */
function readCells(directory: string): { cells: CellResult[]; failed: FailedCell[] } {
  const root = join(directory, 'cells');
  if (!existsSync(root)) throw new DataError(root, 'a study has this folder; it is not there');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => /^[^/]+\/[^/]+\/[^/]+\/\d+(\.failed)?\.json$/.test(file))
    .sort();
  const cells = files
    .filter((file) => !file.endsWith('.failed.json'))
    .map((file) => {
      const cell = readJson(join(root, file)) as CellResult;
      if (`${pathOf(cell)}.json` !== file) {
        throw new DataError(join(root, file), `the file of a cell stands at its path; this is ${pathOf(cell)}`);
      }
      return cell;
    });
  const failed = files
    .filter((file) => file.endsWith('.failed.json'))
    .map((file): FailedCell => {
      const [dataset, damage, method, seed] = file.replace('.failed.json', '').split('/') as [
        string,
        string,
        string,
        string,
      ];
      const said = readJson(join(root, file));
      const { track, error, message } = typeof said === 'string' ? ({ error: said } as Said) : (said as Said);
      return {
        track: track ?? cells[0]?.track ?? 'study',
        dataset,
        damage,
        method,
        seed: Number(seed),
        error: error ?? message ?? 'no reason was written',
      };
    });
  return { cells, failed };
}

interface Said {
  readonly track?: string;
  readonly error?: string;
  readonly message?: string;
}

/** @throws DataError that names the file, where it cannot be read or is no JSON */
export function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new DataError(file, `must be a JSON file: ${(cause as Error).message}`, { cause });
  }
}
