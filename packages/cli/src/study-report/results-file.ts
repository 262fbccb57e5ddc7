import { DataError, type Json } from '@tsrl/core';
import { type CellMetrics, type CellResult, type FailedCell, pathOf, type Track } from './cell.js';
import { type JsonRecord, record } from './record.js';

const FORMAT = 'tsrl-study-results-1';

const metricNames = [
  'accuracy',
  'balancedAccuracy',
  'f1',
  'mcc',
  'auroc',
  'averagePrecision',
  'nll',
  'brier',
  'ece',
] as const satisfies readonly (keyof CellMetrics)[];
const dataNames = ['train', 'positives', 'flipped', 'validation', 'test'] as const;

/**
 * A track as JSON Lines: a first line for what all cells share (the studies, the test labels, the settings that occur,
 * the steps of the curves), and then a line a cell. Numbers have six significant digits. The report needs no more, so
 * that it can be made again from this file alone.
 */
export function writeResults(track: Track): string {
  const own = track.cells.map(({ settings, tuned, seed }) => without(settings, { ...record(tuned), seed }));
  const common = shared(own);
  const settings = distinct(own.map((one) => without(one, common)));
  const steps = distinct(track.cells.map(({ curve }) => curve.map(({ step }) => step)));
  const header = {
    format: FORMAT,
    track: track.name,
    studies: track.studies,
    datasets: track.datasets,
    suspects: track.suspects,
    common,
    settings: settings.rows,
    curveSteps: steps.rows,
  };
  const lines = track.cells.map((cell, i) => ({
    path: pathOf(cell),
    settings: settings.indices[i],
    tuned: cell.tuned,
    steps: cell.steps,
    seconds: round(cell.seconds, 3),
    data: dataNames.map((name) => cell.data[name]),
    half: packed(cell.half),
    chosen: [...packed(cell.chosen), round(cell.chosen.threshold)],
    scaled: [cell.scaled.temperature, cell.scaled.ece, cell.scaled.nll].map((value) => round(value)),
    right: cell.right,
    rightChosen: cell.rightChosen,
    curve: [steps.indices[i], ...cell.curve.map(({ balancedAccuracy }) => round(balancedAccuracy, 4))],
  }));
  const failed = track.failed.map((cell) => ({ path: pathOf(cell), failed: cell.error }));
  const sorted = [...lines, ...failed].sort((a, b) => byPath(a.path, b.path));
  return [header, ...sorted].map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** @throws DataError for a file that `writeResults` did not write */
export function readResults(text: string, file: string): Track {
  const [first, ...lines] = text
    .split('\n')
    .filter(Boolean)
    .map((line, i) => parse(line, file, i + 1));
  if (first?.['format'] !== FORMAT)
    throw new DataError(file, `must begin with a line of format ${FORMAT}`, { line: 1 });
  const header = first as unknown as Header;
  const cells: CellResult[] = [];
  const failed: FailedCell[] = [];
  for (const line of lines as unknown as (Line | FailedLine)[]) {
    const [dataset, damage, method, seed] = line.path.split('/') as [string, string, string, string];
    const key = { track: header.track, dataset, damage, method, seed: Number(seed) };
    if ('failed' in line) {
      failed.push({ ...key, error: line.failed });
      continue;
    }
    const [at, ...values] = line.curve;
    const [temperature, ece, nll] = line.scaled;
    cells.push({
      ...key,
      settings: { ...header.common, ...header.settings[line.settings], ...record(line.tuned), seed: key.seed },
      tuned: line.tuned,
      steps: line.steps,
      seconds: line.seconds,
      data: Object.fromEntries(dataNames.map((name, i) => [name, line.data[i]])) as unknown as CellResult['data'],
      half: unpacked(line.half),
      chosen: { ...unpacked(line.chosen), threshold: line.chosen.at(-1) as number },
      scaled: { temperature, ece, nll },
      right: line.right,
      rightChosen: line.rightChosen,
      curve: values.map((balancedAccuracy, i) => ({
        step: header.curveSteps[at]?.[i] as number,
        balancedAccuracy,
      })),
    });
  }
  const { track: name, studies, datasets, suspects } = header;
  return { name, studies, datasets, suspects, cells, failed };
}

interface Header extends Pick<Track, 'studies' | 'datasets' | 'suspects'> {
  readonly track: string;
  readonly common: JsonRecord;
  readonly settings: readonly JsonRecord[];
  readonly curveSteps: readonly (readonly number[])[];
}

interface Line {
  readonly path: string;
  readonly settings: number;
  readonly tuned: Json;
  readonly steps: number;
  readonly seconds: number;
  readonly data: readonly number[];
  readonly half: readonly (number | null)[];
  readonly chosen: readonly (number | null)[];
  readonly scaled: readonly [number, number, number];
  readonly right: string;
  readonly rightChosen: string;
  readonly curve: readonly [at: number, ...values: number[]];
}

interface FailedLine {
  readonly path: string;
  readonly failed: string;
}

function parse(line: string, file: string, at: number): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch (cause) {
    throw new DataError(file, 'is no JSON', { line: at, cause });
  }
}

/** By code points, and seeds as numbers. */
function byPath(a: string, b: string): number {
  const split = (path: string): [string, number] => [
    path.slice(0, path.lastIndexOf('/')),
    Number(path.split('/').at(-1)),
  ];
  const [[x, i], [y, j]] = [split(a), split(b)];
  return x < y ? -1 : x > y ? 1 : i - j;
}

const round = (value: number, digits?: number): number =>
  digits === undefined ? Number(value.toPrecision(6)) : Number(value.toFixed(digits));

const packed = (metrics: CellMetrics): (number | null)[] =>
  metricNames.map((name) => (metrics[name] === null ? null : round(metrics[name])));

const unpacked = (values: readonly (number | null)[]): CellMetrics =>
  Object.fromEntries(metricNames.map((name, i) => [name, values[i]])) as unknown as CellMetrics;

const same = (a: Json | undefined, b: Json | undefined): boolean => JSON.stringify(a) === JSON.stringify(b);

const without = (json: Json, known: JsonRecord): JsonRecord =>
  Object.fromEntries(Object.entries(record(json)).filter(([name, value]) => !same(value, known[name])));

/** What is the same in all. */
function shared([first = {}, ...others]: readonly JsonRecord[]): JsonRecord {
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) => others.every((other) => same(other[name], value))),
  );
}

/** Distinct values, and for each value given which of them it is. */
function distinct<T>(values: readonly T[]): { readonly rows: readonly T[]; readonly indices: readonly number[] } {
  const [rows, known]: [T[], Map<string, number>] = [[], new Map()];
  const indices = values.map((value) => {
    const key = JSON.stringify(value);
    const at = known.get(key) ?? rows.push(value) - 1;
    known.set(key, at);
    return at;
  });
  return { rows, indices };
}
