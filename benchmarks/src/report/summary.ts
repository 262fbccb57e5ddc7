import type { Comparison, ResultFile } from '../result.js';
import { familyOf, fastest, type Timed } from './families.js';
import { digits, listed, table, unitOf } from './text.js';

type Measure = 'time' | 'GFLOP/s' | 'memory';

/** A line: what is compared, in which results, with whom. */
interface Row {
  readonly what: string;
  readonly suite: string;
  readonly subject: string;
  readonly variants?: RegExp;
  readonly rival: (name: string) => boolean;
  /** Of both; 1. */
  readonly threads?: number;
  /** Of the rival where it is ours on another number of threads. */
  readonly rivalThreads?: number;
  readonly measure?: Measure;
}

const tfjs = (name: string): boolean => name === 'plain tfjs';
const eager = (name: string): boolean => familyOf(name) === 'torch eager';
const unfused = (name: string): boolean => name === 'tsrl with all logits at once';
const step = /^step/;

const kernels = { suite: 'kernels', rival: tfjs };
const torch = { suite: 'peers', rival: eager };
const chunks = { suite: 'kernels', subject: 'PPO with entropy from hidden', rival: unfused };
const scaling = { suite: 'training', variants: step, rival: (name: string) => name === 'tsrl', threads: 2 };

const rows: readonly Row[] = [
  { what: 'PPO loss from logits and its gradient', subject: 'PPO from logits', ...kernels },
  { what: 'the same with entropy', subject: 'PPO with entropy from logits', ...kernels },
  { what: 'PPO loss from logits and its gradient', subject: 'PPO loss', ...torch },
  { what: 'the same with entropy', subject: 'PPO loss with entropy bonus', ...torch },
  { what: 'log-probability of the chosen token', subject: 'selectiveLogSoftmax', ...torch },
  { what: 'generalized advantage estimation', subject: 'GAE', ...torch },
  { what: 'KL loss (k3) and its gradient', subject: 'KL loss', ...torch },
  { what: 'matrix product, all four transpositions', subject: 'matMul', ...torch, measure: 'GFLOP/s' },
  { what: 'output layer and PPO loss in chunks, time', ...chunks },
  { what: 'output layer and PPO loss in chunks, memory', ...chunks, measure: 'memory' },
  { what: 'Llama 5M training', subject: 'Llama 5M', suite: 'training', variants: step, rival: tfjs },
  { what: 'Llama 5M training', subject: 'Llama 5M', ...torch },
  { what: 'Llama 5M training, 2 threads each', subject: 'Llama 5M', ...torch, threads: 2 },
  { what: 'Llama 5M training, 2 threads', subject: 'Llama 5M', ...scaling, rivalThreads: 1 },
  { what: 'stories260K training, 2 threads', subject: 'stories260K SFT', ...scaling, rivalThreads: 1 },
];

/** The table that the page begins with; lines without results are left out. */
export function summary(files: readonly ResultFile[]): string {
  const lines = rows.flatMap((row) => lineOf(row, files));
  if (lines.length === 0) return '';
  const machines = new Set(files.map(({ environment: { machine } }) => `${machine.cores} cores of ${machine.cpu}`));
  return [
    '## What matters',
    `Measured on ${listed([...machines])}. ` +
      'One thread of each unless the line says more; a peer in the fastest of its formulations and allocators. *Ratio*: ' +
      'the time, or the memory, of the other divided by that of tsrl. Above 1, tsrl is better; below 1, it is worse. ' +
      'Torch compile, TRL, verl and what *tuned malloc* means stand under [peers](#peers).',
    table(['', 'sizes', 'against', 'tsrl', 'the other', 'ratio'], lines),
  ].join('\n\n');
}

function lineOf(row: Row, files: readonly ResultFile[]): string[][] {
  const { what, suite, subject, variants, rival, threads = 1, rivalThreads = threads, measure = 'time' } = row;
  const pairs = files
    .filter((file) => file.suite === suite)
    .flatMap(({ results }) => results)
    .flatMap((result) => {
      if (result.kind !== 'comparison' || result.subject !== subject) return [];
      if (variants?.test(result.variant) === false) return [];
      const ours = fastest(result, threads, (name) => name === 'tsrl');
      const other = fastest(result, rivalThreads, rival);
      const [a, b] = [ours, other].map((one) => one && amountOf(measure, result, one));
      if (!other || a === undefined || b === undefined) return [];
      const against = rivalThreads === threads ? other.name : `${other.name}, 1 thread`;
      const ratio = measure === 'GFLOP/s' ? a / b : b / a;
      return [{ size: sizeOf(result.variant), against, ours: a, other: b, ratio }];
    });
  if (pairs.length === 0) return [];
  const distinct = (all: readonly string[]): string => listed([...new Set(all)]);
  const show = measure === 'GFLOP/s' ? spread : (all: readonly number[]) => listed(all.map(writers[measure]));
  return [
    [
      what,
      distinct(pairs.map(({ size }) => size)),
      distinct(pairs.map(({ against }) => against)),
      show(pairs.map(({ ours }) => ours)),
      show(pairs.map(({ other }) => other)),
      measure === 'GFLOP/s' ? range(pairs.map(({ ratio }) => ratio)) : listed(pairs.map(({ ratio }) => digits(ratio))),
    ],
  ];
}

function amountOf(measure: Measure, { work }: Comparison, { time, memory }: Timed): number | undefined {
  if (measure === 'time') return time.medianMs;
  if (measure === 'memory') return memory?.megabytes;
  return work.flop === undefined ? undefined : work.flop / time.medianMs / 1e6;
}

const writers = {
  time(ms: number): string {
    const { size, name } = unitOf(ms);
    return `${digits(ms / size)} ${name}`;
  },
  memory: (megabytes: number): string => `${digits(megabytes)} MB`,
};

/** The pass and which operand lies transposed are not the size. */
const sizeOf = (variant: string): string =>
  variant.replace(/, forward( \+ backward)?$/, '').replace(/^([NT]{2}|k3,) /, '');

const range = (values: readonly number[]): string =>
  [...new Set([Math.min(...values), Math.max(...values)].map(digits))].join(' to ');

const spread = (values: readonly number[]): string => `${range(values)} GFLOP/s`;
