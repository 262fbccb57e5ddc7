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
export function printResult(result: RunResult, run: RunDirectory): void {
  const { method, metrics, data, seconds, tokensPerSecond, temperature } = result;
  const table = new Table({ head: ['test', method], style: { head: [], border: [] } });
  for (const [name, label] of FIGURES) table.push([label, figure(metrics[name])]);
  table.push(['expected calibration error', figure(metrics.ece)]);
  const speed = `${seconds.toFixed(1)} s of training, ${Math.round(tokensPerSecond).toLocaleString('en')} tokens/s`;
  process.stdout.write(`${table.toString()}
on ${data.test.examples} texts at threshold ${rounded(metrics.threshold)}${temperature === 1 ? '' : `, temperature ${rounded(temperature)}`}; ${speed}

${aboutData(result, run)}
report   ${pc.underline(run.report)}
model    ${run.model}
try it   npx tsrl predict --model ${run.model} --text "..."
`);
}

const rounded = (x: number): number => Number(x.toPrecision(3));

/** What was learned about the training data: its balance, its noise, its doubtful labels. */
function aboutData({ data: { train }, labels }: RunResult, { suspects }: RunDirectory): string {
  const share = (part: number): string => `${(100 * part).toFixed(1)} %`;
  const balance = `classes  ${train.positives} of ${train.examples} training texts are of class 1 (${share(train.positives / train.examples)})`;
  if (!labels) return `${balance}\nnoise    not estimated: too few texts, or none with words\nsuspects none listed\n`;
  const judge = labels.by === 'tf-idf' ? 'their words' : 'the vectors of the model';
  const noise =
    labels.falsePositive === null || labels.falseNegative === null
      ? `noise    not to be told: the classes cannot be told apart by ${judge}`
      : `noise    about ${share(labels.falsePositive)} of true 0 and ${share(labels.falseNegative)} of true 1 labelled wrong: an estimate, rather too high,\n         for texts that are hard to tell count too (${labels.folds}-fold cross-validation by ${judge})`;
  const found =
    labels.suspects === 0
      ? 'suspects no label is contradicted'
      : `suspects ${labels.suspects} labels to look at, the most doubtful first: ${suspects}`;
  return `${balance}\n${noise}\n${found}\n`;
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
