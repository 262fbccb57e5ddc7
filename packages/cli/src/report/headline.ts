import type { Ceiling } from '../result.js';
import { list, metric, plural } from './format.js';
import { type Html, html } from './html.js';
import { balancedAccuracyInterval } from './interval.js';
import type { LabelledRun } from './labelled.js';

/** The result in a sentence, and then what it is to be held against. */
export function headline(runs: readonly LabelledRun[], ceiling?: Ceiling): Html {
  const { n, positives } = (runs[0] as LabelledRun).result.metrics;
  const texts = plural(n, 'test text');
  if (positives === 0 || positives === n) {
    const reached = runs.map(({ label, result }) => `${label} reached accuracy ${metric(result.metrics.accuracy)}`);
    return html`<p class="headline">${list(reached)} on ${texts}.</p>
<p>Every test text has the same label: balanced accuracy and AUROC are undefined.</p>`;
  }
  const [first, ...others] = runs.map(({ label, result: { metrics } }, i) =>
    i === 0
      ? `${label} reached balanced accuracy ${metric(metrics.balancedAccuracy)} and AUROC ${metric(metrics.auroc)} on ${texts}`
      : `${label} ${metric(metrics.balancedAccuracy)} and ${metric(metrics.auroc)}`,
  );
  const intervals = runs.map(({ label, result }) => {
    const [lower, upper] = balancedAccuracyInterval(result.metrics) as readonly [number, number];
    return `${runs.length > 1 ? `${label} ` : ''}${metric(lower)} to ${metric(upper)}`;
  });
  const best = ceiling
    ? ` The best possible classifier of these texts (Bayes-optimal) would reach ${metric(ceiling.balancedAccuracy)} and ${metric(ceiling.auroc)}.`
    : '';
  return html`<p class="headline">${first ?? ''}${others.length > 0 ? `; ${list(others)}` : ''}.</p>
<p>Balanced accuracy, 95 % interval for a test set of this size: ${list(intervals)}; it does not cover another seed or another training set.${best} Guessing has 0.500 and 0.500.</p>`;
}
