import type { DataSize, LabelReport } from '../result.js';
import { count, duration, metric, percent } from './format.js';
import type { Html } from './html.js';
import type { LabelledRun } from './labelled.js';
import { table } from './table.js';

const reasons = {
  completed: 'all steps were done',
  time: 'the time was up',
  patience: 'validation no longer improved',
  aborted: 'it was interrupted',
} as const;

/** Sizes and balance of the data. */
export function dataTable(runs: readonly LabelledRun[]): Html {
  const size = ({ examples, positives }: DataSize): string =>
    examples === 0
      ? 'none'
      : `${count(examples)} texts, ${count(positives)} of class 1 (${percent(positives, examples)})`;
  const row = (name: string, of: (run: LabelledRun) => string) => ({ name, cells: runs.map(of) });
  return table(
    'data',
    runs.map(({ label }) => label),
    [
      row('train', ({ result }) => size(result.data.train)),
      row('train labels flipped on purpose', ({ result: { data } }) => count(data.train.flippedLabels)),
      ...(runs.some(({ result }) => result.labels)
        ? [row('train labels that look wrong', ({ result }) => doubts(result.labels))]
        : []),
      row('validation', ({ result }) => size(result.data.validation)),
      row('test', ({ result }) => size(result.data.test)),
    ],
  );
}

/** What cross-validation found, and the rates that it estimates. */
function doubts(labels: LabelReport | undefined): string {
  if (!labels) return 'not looked at';
  const { suspects, falsePositive, falseNegative } = labels;
  if (falsePositive === null || falseNegative === null) return count(suspects);
  return `${count(suspects)}; estimated rates: ${percent(falsePositive, 1)} of true 0, ${percent(falseNegative, 1)} of true 1`;
}

/** What was trained, how far, and what it took. */
export function trainingTable(runs: readonly LabelledRun[]): Html {
  const row = (name: string, of: (result: LabelledRun['result']) => string) => ({
    name,
    cells: runs.map(({ result }) => of(result)),
  });
  return table(
    'training',
    runs.map(({ label }) => label),
    [
      row('method', ({ method }) => method),
      row('seed', ({ seed }) => String(seed)),
      row('parameters', ({ model }) => count(model.parameters)),
      row(
        'of them trained',
        ({ model }) => `${count(model.trainable)} (${percent(model.trainable, model.parameters)})`,
      ),
      row('steps', ({ steps }) => count(steps)),
      row('it ended because', ({ stopped }) => reasons[stopped]),
      row('weights kept from step', ({ bestStep }) => count(bestStep)),
      row('temperature', ({ temperature }) => metric(temperature)),
      row('time', ({ seconds }) => duration(seconds)),
      row('tokens', ({ tokens }) => count(tokens)),
      row('tokens per second', ({ tokensPerSecond }) => count(tokensPerSecond)),
    ],
  );
}
