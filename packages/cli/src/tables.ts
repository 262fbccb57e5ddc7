import type { Json } from '@tsrl/core';
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
function aboutData(result: RunResult, { suspects }: RunDirectory): string {
  const { train } = result.data;
  const balance = `classes  ${train.positives} of ${train.examples} training texts are of class 1 (${share(train.positives / train.examples)})`;
  const doubtful = result.labels?.suspects;
  const found =
    doubtful === undefined
      ? 'suspects none listed'
      : doubtful === 0
        ? 'suspects no label is contradicted'
        : `suspects ${doubtful} ${doubtful === 1 ? 'label' : 'labels'} to look at, the most doubtful first: ${suspects}`;
  return `${balance}\nnoise    ${aboutNoise(result)}\n${found}\n`;
}

/** The rates that the method was told, or else those of the surest texts. */
function aboutNoise({ configuration, labels, noiseRates }: RunResult): string {
  const wrong = (ofZeros: number, ofOnes: number): string =>
    `about ${share(ofZeros)} of true 0 and ${share(ofOnes)} of true 1 labelled wrong`;
  const { noiseRates: by } = configuration as { readonly noiseRates?: Json };
  if (noiseRates && by === 'trusted') return `${wrong(...noiseRates)}, by the texts of --trusted`;
  if (!labels) return 'not estimated: too few texts, or none with words';
  const judge = `${labels.folds}-fold cross-validation by ${labels.by === 'tf-idf' ? 'their words' : 'the vectors of the model'}`;
  if (noiseRates && by === 'confident') {
    return `${wrong(...noiseRates)}: an estimate, rather too high,\n         for texts that are hard to tell count too (${judge})`;
  }
  const { falsePositive, falseNegative } = labels;
  if (falsePositive === null || falseNegative === null) return `not to be told, by ${judge}`;
  return `${wrong(falsePositive, falseNegative)}: an estimate,\n         from the texts about which ${judge} is surest`;
}

const share = (part: number): string => `${(100 * part).toFixed(1)} %`;

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
