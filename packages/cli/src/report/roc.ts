import { rocCurve } from '@tsrl/evaluation';
import type { Ceiling } from '../result.js';
import { axis, draw, guide, line, look, type Point } from './chart.js';
import { figure } from './figure.js';
import { metric } from './format.js';
import { type Html, html } from './html.js';
import type { LabelledRun } from './labelled.js';

const title = 'ROC curve';

export function roc(runs: readonly LabelledRun[], ceiling?: Ceiling): Html {
  const drawn = runs.map(({ label, result, test }) => {
    const curve = rocCurve(test.logits, test.labels);
    return { name: `${label}: AUROC ${metric(result.metrics.auroc)}`, metrics: result.metrics, curve };
  });
  if (drawn.some(({ curve }) => curve === null)) {
    return figure(title, 'Undefined: every test text has the same label.', html`<p class="empty">undefined</p>`);
  }
  const best = ceiling ? ` The best possible classifier (Bayes-optimal) has AUROC ${metric(ceiling.auroc)}.` : '';
  const svg = draw({
    height: 444,
    label: `${title}. ${drawn.map(({ name }) => name).join('; ')}.${best}`,
    key: [...drawn.map(({ name }) => name), 'chance: AUROC 0.500'],
    option: (top) => ({
      grid: { left: 64, right: 20, top, bottom: 48 },
      xAxis: axis('false positive rate (1 − specificity)', { min: 0, max: 1 }),
      yAxis: axis('true positive rate (sensitivity)', { min: 0, max: 1, nameGap: 40 }),
      series: [
        guide('chance: AUROC 0.500', [
          [0, 0],
          [1, 1],
        ]),
        ...drawn.flatMap(({ name, curve, metrics }, i) => {
          const { color, symbol, lineStyle } = look(i);
          const at: Point = [1 - (metrics.specificity ?? 0), metrics.sensitivity ?? 0];
          const points = curve ? outline(curve.fpr, curve.tpr) : [];
          return [
            line({ name, points, color, symbol, lineStyle, showSymbol: false }),
            line({ name: `${name}, threshold`, points: [at], color, symbol, symbolSize: 12 }),
          ];
        }),
      ],
    }),
  });
  return figure(
    title,
    `Share of the positives found against share of the negatives called positive, for every threshold: the closer to the upper left the better. The symbol is the threshold of the table below.${best}`,
    svg,
  );
}

/** The curve without points that cannot be seen: closer than 1/1000, or in the middle of a straight stretch. */
function outline(fpr: readonly number[], tpr: readonly number[]): Point[] {
  const round = (rate: number | undefined): number => Math.round(1000 * (rate ?? 0)) / 1000;
  const points: [number, number][] = [];
  fpr.forEach((_, i) => {
    const [x, y] = [round(fpr[i]), round(tpr[i])];
    const [before, last] = [points.at(-2), points.at(-1)];
    if (last && last[0] === x && last[1] === y) return;
    const straight = before && last && ((before[0] === x && last[0] === x) || (before[1] === y && last[1] === y));
    if (straight) points.pop();
    points.push([x, y]);
  });
  return points;
}
