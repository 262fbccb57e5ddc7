import { figure } from './figure.js';
import { count, percent } from './format.js';
import { type Html, html } from './html.js';
import type { LabelledRun } from './labelled.js';

/** One matrix per run: real text, shaded by the share of its row. */
export const confusions = (runs: readonly LabelledRun[]): Html[] =>
  runs.map((run, i) =>
    figure(
      runs.length > 1 ? `Confusion matrix, ${run.label}` : 'Confusion matrix',
      i === 0
        ? `Test texts at threshold ${run.result.metrics.threshold}: rows are the truth and add up to 100 %; right answers are on the diagonal (blue), errors off it (orange).`
        : '',
      matrix(run),
    ),
  );

function matrix({ label, result }: LabelledRun): Html {
  const rows = result.metrics.confusion.map((cells, truth) => {
    const total = cells[0] + cells[1];
    return html`<tr><th scope="row">class ${truth}<small>${count(total)}</small></th>${cells.map((cell, predicted) => {
      const share = total === 0 ? 0 : cell / total;
      const kind = truth === predicted ? 'right' : 'wrong';
      return html`<td class="${kind}" style="--share:${share.toFixed(3)}">${count(cell)}<small>${percent(cell, total)}</small></td>`;
    })}</tr>`;
  });
  return html`<table class="confusion" aria-label="Confusion matrix of ${label}"><thead><tr><td></td><th scope="colgroup" colspan="2">predicted</th></tr>
<tr><th scope="col">truth</th><th scope="col">class 0</th><th scope="col">class 1</th></tr></thead><tbody>${rows}</tbody></table>`;
}
