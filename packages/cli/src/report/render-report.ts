import { OptionError } from '@tsrl/core';
import type { ReportInput } from '../result.js';
import { calibration } from './calibration.js';
import { confusions } from './confusion.js';
import { headline } from './headline.js';
import { html } from './html.js';
import { labelled } from './labelled.js';
import { learningCurves } from './learning-curves.js';
import { metricsTable, pairedTable } from './metrics-table.js';
import { roc } from './roc.js';
import { dataTable, trainingTable } from './run-tables.js';
import { style } from './style.js';
import { settings } from './table.js';

/**
 * A run, or several on the same test set, as one HTML page: the result, the plots, the tables. It needs no script, no
 * network and no font of its own, and the same input gives the same bytes.
 *
 * @throws OptionError without a run, or when the runs were not tested on the same labels
 */
export function renderReport({ title, summary, runs: given, ceiling }: ReportInput): string {
  const [first] = given;
  if (!first) throw new OptionError('renderReport', 'runs', 'at least one run', given.length);
  const truth = Array.from(first.test.labels).join();
  if (given.some(({ test }) => Array.from(test.labels).join() !== truth)) {
    throw new OptionError('renderReport', 'runs', 'runs on the same test set', 'test labels that differ');
  }
  if (given.some(({ test }) => test.logits.length !== test.labels.length)) {
    throw new OptionError('renderReport', 'runs', 'runs with a logit for every test label', 'lengths that differ');
  }
  const runs = labelled(given);
  const labels = runs.map(({ label }) => label);
  const curves = learningCurves(runs);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${title}</h1>
${headline(runs, ceiling)}
<p>${summary}</p>
</header>
<main>
${curves.length > 0 ? html`<section><h2>Training</h2>\n<div class="figures">\n${curves}</div></section>` : ''}
<section><h2>Test</h2>
<div class="figures">
${roc(runs, ceiling)}${calibration(runs)}${confusions(runs)}</div></section>
<section><h2>All test metrics</h2>
<p>At threshold ${first.result.metrics.threshold}, of the weights that were kept. ↑ higher is better, ↓ lower is better; <i>larger class</i> always answers the more frequent label${ceiling ? html`, <i>Bayes-optimal</i> knows how the texts were made` : ''}.</p>
${metricsTable(runs, ceiling)}${pairedTable(runs)}</section>
<section><h2>Data</h2>
${dataTable(runs)}</section>
<section><h2>Training and cost</h2>
${trainingTable(runs)}</section>
<section><h2>Configuration</h2>
${labels.length > 1 ? html`<p>What all runs share is said once; what differs is bold.</p>\n` : ''}${settings(
  labels,
  runs.map(({ result }) => result.configuration),
)}</section>
<section><h2>Versions and machine</h2>
${settings(
  labels,
  runs.map(({ result }) => ({ ...result.versions, backend: result.backend })),
)}</section>
</main>
</body>
</html>
`;
  return page.html;
}
