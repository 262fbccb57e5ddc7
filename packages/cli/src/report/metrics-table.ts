import { sigmoid } from '@tsrl/core';
import { type BinaryMetrics, mcnemarTest } from '@tsrl/evaluation';
import type { Ceiling } from '../result.js';
import { count, metric, percent, pValue } from './format.js';
import { type Html, html } from './html.js';
import { balancedAccuracyInterval } from './interval.js';
import type { LabelledRun } from './labelled.js';
import { type Row, table } from './table.js';

type Scalar = Exclude<keyof BinaryMetrics, 'n' | 'positives' | 'threshold' | 'confusion' | 'undefinedMetrics'>;

const rows: readonly (readonly [key: Scalar, name: string, note: string])[] = [
  ['balancedAccuracy', 'balanced accuracy', '↑ mean of sensitivity and specificity'],
  ['auroc', 'AUROC', '↑ P(a positive scores above a negative)'],
  ['accuracy', 'accuracy', '↑ share of right answers'],
  ['averagePrecision', 'average precision', '↑ area under precision against recall'],
  ['sensitivity', 'sensitivity', '↑ share of class 1 that was found'],
  ['specificity', 'specificity', '↑ share of class 0 that was left alone'],
  ['precision', 'precision', '↑ share of predicted 1 that is 1'],
  ['recall', 'recall', '↑ as sensitivity; 0 where that is undefined'],
  ['f1', 'F1', '↑ of class 1'],
  ['macroF1', 'macro F1', '↑ mean over both classes'],
  ['mcc', 'MCC', '↑ Matthews correlation, −1 to 1'],
  ['brier', 'Brier score', '↓ mean squared error of the probability'],
  ['nll', 'log-loss', '↓ negative log-likelihood, nats'],
  ['ece', 'ECE', '↓ expected calibration error of the predicted class'],
  ['mce', 'MCE', '↓ worst calibration error of a bin'],
];

/** All metrics, the runs side by side, then what the larger class alone gives, then the best possible. */
export function metricsTable(runs: readonly LabelledRun[], ceiling?: Ceiling): Html {
  const { n, positives } = (runs[0] as LabelledRun).result.metrics;
  const oneClass = positives === 0 || positives === n;
  const larger: Partial<Record<Scalar, number | null>> = {
    accuracy: Math.max(positives, n - positives) / n,
    balancedAccuracy: oneClass ? null : 0.5,
    auroc: oneClass ? null : 0.5,
  };
  const known = ceiling as Partial<Record<Scalar, number>> | undefined;
  const reference = (from: Partial<Record<Scalar, number | null>>, key: Scalar): string =>
    from[key] === undefined ? '' : metric(from[key]);
  const intervals = runs.map(({ result }) => balancedAccuracyInterval(result.metrics));
  const interval: Row = {
    name: '95 % interval',
    note: 'of the balanced accuracy',
    cells: [
      ...intervals.map((ends) => (ends ? `${metric(ends[0])} to ${metric(ends[1])}` : 'undefined')),
      '',
      ...(known ? [''] : []),
    ],
  };
  const [balanced, ...others] = rows.map(
    ([key, name, note]): Row => ({
      name,
      note,
      cells: [
        ...runs.map(({ result }) => value(result.metrics, key)),
        reference(larger, key),
        ...(known ? [reference(known, key)] : []),
      ],
    }),
  );
  return table(
    'metric',
    [...runs.map(({ label }) => label), 'larger class', ...(known ? ['Bayes-optimal'] : [])],
    [balanced as Row, interval, ...others],
  );
}

function value(metrics: BinaryMetrics, key: Scalar): string {
  const conventional = metrics[key] !== null && metrics.undefinedMetrics.includes(key);
  return conventional ? `undefined (${metric(metrics[key])} by convention)` : metric(metrics[key]);
}

/** Runs against the first on the same texts: who is right where the other is wrong. */
export function pairedTable(runs: readonly LabelledRun[]): Html {
  const [first, ...others] = runs;
  if (!first || others.length === 0) return html``;
  const right = ({ test, result }: LabelledRun, i: number): boolean =>
    sigmoid(test.logits[i] as number) >= result.metrics.threshold === (test.labels[i] === 1);
  const compared = others.map((other): Row => {
    let [only, otherOnly] = [0, 0];
    for (let i = 0; i < first.test.labels.length; i++) {
      if (right(first, i) && !right(other, i)) only += 1;
      if (!right(first, i) && right(other, i)) otherOnly += 1;
    }
    const disagreements = only + otherOnly;
    return {
      name: other.label,
      cells: [
        count(only),
        count(otherOnly),
        percent(disagreements, first.test.labels.length),
        pValue(mcnemarTest(only, otherOnly)),
      ],
    };
  });
  const headings = [`only ${first.label} right`, 'only this one right', 'disagreements', 'McNemar p'];
  return html`<h3>Text by text against ${first.label}</h3>
<p>The p-value is the chance of a split at least this uneven if both were right equally often (exact, two-sided); it speaks of these trained weights, not of the methods over seeds.</p>
${table('run', headings, compared)}`;
}
