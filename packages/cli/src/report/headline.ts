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
  const best = ceiling
    ? ` The best possible classifier of these texts (Bayes-optimal) would reach ${metric(ceiling.balancedAccuracy)} and ${metric(ceiling.auroc)}.`
    : '';
  const sampling = 'it does not cover another seed or another training set';
  if (runs.length > 3) {
    const balanced = range(runs, ({ result }) => result.metrics.balancedAccuracy);
    const auroc = range(runs, ({ result }) => result.metrics.auroc ?? 0);
    return html`<p class="headline">${runs.length} runs on ${texts} reached balanced accuracy ${balanced}, and AUROC ${auroc}.</p>
<p>The table of metrics has the 95 % interval of each for a test set of this size; ${sampling}.${best} Chance is 0.500 for both.</p>`;
  }
  const reached = runs.map(({ label, result: { metrics } }, i) =>
    i === 0
      ? `${label} reached balanced accuracy ${metric(metrics.balancedAccuracy)} and AUROC ${metric(metrics.auroc)} on ${texts}`
      : `${label} ${metric(metrics.balancedAccuracy)} and ${metric(metrics.auroc)}`,
  );
  const intervals = runs.map(({ label, result }) => {
    const ends = balancedAccuracyInterval(result.metrics) ?? [];
    return `${runs.length > 1 ? `${label} ` : ''}${ends.map(metric).join(' to ')}`;
  });
  return html`<p class="headline">${reached.join('; ')}.</p>
<p>Balanced accuracy, 95 % interval for a test set of this size: ${list(intervals)}; ${sampling}.${best} Chance is 0.500 for both.</p>`;
}

function range(runs: readonly LabelledRun[], of: (run: LabelledRun) => number): string {
  const sorted = runs.toSorted((a, b) => of(a) - of(b));
  const named = (run: LabelledRun | undefined): string => (run ? `${metric(of(run))} (${run.label})` : '');
  return `from ${named(sorted[0])} to ${named(sorted.at(-1))}`;
}
