import type { Evaluation } from '@tsrl/training';
import { axis, draw, line, look, type Point } from './chart.js';
import { figure } from './figure.js';
import { count } from './format.js';
import type { Html } from './html.js';
import type { LabelledRun } from './labelled.js';

interface Curve {
  readonly title: string;
  readonly axis: string;
  readonly reading: string;
  readonly of: (evaluation: Evaluation) => number | null | undefined;
  /** A share: the axis may not leave [0, 1]. */
  readonly share: boolean;
}

const curves: readonly Curve[] = [
  {
    title: 'Validation balanced accuracy',
    axis: 'balanced accuracy',
    reading: 'Mean of sensitivity and specificity at threshold 0.5: higher is better, 0.5 is chance.',
    of: ({ validation }) =>
      validation?.undefinedMetrics.includes('balancedAccuracy') ? null : validation?.balancedAccuracy,
    share: true,
  },
  {
    title: 'Validation AUROC',
    axis: 'AUROC',
    reading: 'How well the scores order the texts, whatever the threshold: higher is better, 0.5 is chance.',
    of: ({ validation }) => validation?.auroc,
    share: true,
  },
  {
    title: 'Validation loss',
    axis: 'negative log-likelihood (nats)',
    reading: 'Lower is better; a rise while the accuracy stays means overconfidence.',
    of: ({ validation }) => validation?.nll,
    share: false,
  },
  {
    title: 'Training loss',
    axis: 'loss',
    reading: 'Mean of what was minimised, over the steps since the last point.',
    of: ({ train }) => train['loss'],
    share: false,
  },
];

/** The curves that have a point, one figure each. */
export function learningCurves(runs: readonly LabelledRun[]): Html[] {
  return curves.flatMap((curve) => {
    const lines = runs.map(({ history }) => history.map((at): Point => [at.step, number(curve.of(at))]));
    const values = lines.flat().flatMap(([, value]) => (value === '-' ? [] : [value]));
    return values.length === 0 ? [] : [curveFigure(curve, runs, lines, values)];
  });
}

function curveFigure(curve: Curve, runs: readonly LabelledRun[], lines: Point[][], values: number[]): Html {
  const kept = runs.map(({ result }, i) =>
    (lines[i] ?? []).filter(([step, y]) => step === result.bestStep && y !== '-'),
  );
  const key = runs.length > 1 ? runs.map(({ label }) => label) : [];
  const bounds = curve.share ? shareBounds(values) : { scale: true };
  const svg = draw({
    height: 270,
    label: `${curve.title} over training steps: ${runs.map((run, i) => summary(run.label, lines[i] ?? [])).join('; ')}`,
    key,
    option: (top) => ({
      grid: { left: 64, right: 24, top, bottom: 48 },
      xAxis: axis('step', { min: 0, axisLabel: { color: 'currentColor', fontSize: 12, formatter: count } }),
      yAxis: axis(curve.axis, { nameGap: 44, ...bounds }),
      series: runs.flatMap(({ label }, i) => [
        line({ name: label, points: lines[i] ?? [], ...look(i), showSymbol: (lines[i] ?? []).length <= 40 }),
        line({ name: `${label}, kept`, points: kept[i] ?? [], ...ring(look(i).color) }),
      ]),
    }),
  });
  const differs = curve.title === 'Training loss' && new Set(runs.map(({ result }) => result.method)).size > 1;
  const notes = [
    curve.reading,
    differs ? 'Methods minimise different formulas: compare the shapes, not the heights.' : '',
    kept.flat().length > 0 ? `The ring marks the weights that were kept.` : '',
  ];
  return figure(curve.title, notes.filter(Boolean).join(' '), svg);
}

/** From the tenth below the lowest value to the tenth above the highest, with round ticks. */
function shareBounds(values: readonly number[]): { min: number; max: number; interval: number } {
  const max = Math.ceil(10 * Math.max(...values)) / 10;
  const min = Math.max(0, Math.min(Math.floor(10 * Math.min(...values)) / 10, max - 0.1));
  return { min, max: Math.max(max, min + 0.1), interval: max - min > 0.35 ? 0.1 : 0.05 };
}

const number = (value: number | null | undefined): number | '-' =>
  typeof value === 'number' && Number.isFinite(value) ? value : '-';

const ring = (color: string): object => ({
  symbol: 'circle',
  symbolSize: 14,
  itemStyle: { color: 'transparent', borderColor: color, borderWidth: 2 },
});

function summary(label: string, points: readonly Point[]): string {
  const defined = points.filter(([, y]) => y !== '-');
  const [first, last] = [defined[0], defined.at(-1)];
  if (!first || !last) return `${label} has none`;
  return `${label} from ${Number(first[1]).toFixed(3)} at step ${first[0]} to ${Number(last[1]).toFixed(3)} at step ${last[0]}`;
}
