import type { BinaryMetrics } from '@tsrl/evaluation';
import Table from 'cli-table3';
import pc from 'picocolors';
import type { Ceiling, ReportRun, RunResult } from './result.js';
import type { RunDirectory } from './run-directory.js';

type Figure = 'accuracy' | 'balancedAccuracy' | 'f1' | 'auroc';

const FIGURES: readonly (readonly [Figure, string])[] = [
  ['accuracy', 'accuracy'],
  ['balancedAccuracy', 'balanced accuracy'],
  ['f1', 'F1'],
  ['auroc', 'AUROC'],
];

const figure = (value: number | null): string => (value === null ? 'undefined' : value.toFixed(3));

/** Test metrics of one run, and where its files are. */
export function printResult({ method, metrics, data, seconds, tokensPerSecond }: RunResult, run: RunDirectory): void {
  const table = new Table({ head: ['test', method], style: { head: [], border: [] } });
  for (const [name, label] of FIGURES) table.push([label, figure(metrics[name])]);
  table.push(['expected calibration error', figure(metrics.ece)]);
  const speed = `${seconds.toFixed(1)} s of training, ${Math.round(tokensPerSecond).toLocaleString('en')} tokens/s`;
  process.stdout.write(`${table.toString()}
on ${data.test.examples} texts at threshold ${metrics.threshold}; ${speed}

report   ${pc.underline(run.report)}
model    ${run.model}
try it   npx tsrl predict --model ${run.model} --text "..."
`);
}

/** Several runs on one test set, and the best that is possible. */
export function printComparison(runs: readonly ReportRun[], ceiling: Ceiling): void {
  const names = runs.map(({ result }) => result.method);
  const table = new Table({ head: ['test', ...names, 'Bayes-optimal'], style: { head: [], border: [] } });
  const value = (metrics: BinaryMetrics, name: Figure): string => figure(metrics[name]);
  for (const [name, label] of FIGURES) {
    table.push([label, ...runs.map(({ result }) => value(result.metrics, name)), figure(ceiling[name])]);
  }
  table.push(['seconds', ...runs.map(({ result }) => result.seconds.toFixed(1)), '']);
  process.stdout.write(`${table.toString()}\n`);
}
