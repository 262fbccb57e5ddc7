import { axis, draw, guide, ink, line, look, type Point } from '../report/chart.js';
import type { Html } from '../report/html.js';
import type { Estimate } from './analysis.js';

/** A row of a forest plot. */
export interface ForestRow extends Estimate {
  readonly name: string;
}

/**
 * Estimates with their intervals, one below the other, around a line at 0. A full symbol is an interval without 0, a
 * hollow one is an interval with it.
 */
export function forest(title: string, xName: string, rows: readonly ForestRow[]): Html {
  const { color } = look(0);
  const sure = ({ interval }: ForestRow): boolean => interval !== null && (interval.lower > 0 || interval.upper < 0);
  const at = rows.map((row, i) => ({ row, i }));
  const symbols = (name: string, wanted: boolean): object =>
    line({
      name,
      points: at.filter(({ row }) => sure(row) === wanted).map(({ row, i }): Point => [row.estimate, i]),
      symbol: 'circle',
      symbolSize: 9,
      itemStyle: wanted ? { color } : { color: 'transparent', borderColor: color, borderWidth: 1.5 },
      lineStyle: { width: 0, opacity: 0 },
    });
  const whiskers = rows.flatMap(({ interval }, i): Point[] =>
    interval
      ? [
          [interval.lower, i],
          [interval.upper, i],
          [interval.upper, '-'],
        ]
      : [],
  );
  return draw({
    height: 26 * rows.length + 60,
    label: `${title}. ${rows.map((row) => `${row.name} ${spoken(row)}`).join('; ')}`,
    key: [],
    option: (top) => ({
      grid: { left: 170, right: 16, top, bottom: 44 },
      xAxis: axis(xName, { scale: true, nameGap: 28, ...reach(rows) }),
      yAxis: axis('', {
        min: -0.6,
        max: rows.length - 0.4,
        inverse: true,
        axisTick: { show: false },
        splitLine: { show: false },
        axisLabel: {
          color: ink,
          fontSize: 12,
          customValues: rows.map((_, i) => i),
          formatter: (i: number) => rows[i]?.name ?? '',
        },
      }),
      series: [
        guide('0', [
          [0, -0.6],
          [0, rows.length - 0.4],
        ]),
        line({ name: 'intervals', points: whiskers, color, symbol: 'none', lineStyle: { color, width: 1.5 } }),
        symbols('interval without 0', true),
        symbols('interval with 0', false),
      ],
    }),
  });
}

/** 0 always stands in the plot. */
function reach(rows: readonly ForestRow[]): { min: number; max: number } {
  const ends = rows.flatMap(({ estimate, interval }) => [
    estimate,
    interval?.lower ?? estimate,
    interval?.upper ?? estimate,
  ]);
  return { min: Math.min(-1, Math.floor(Math.min(...ends))), max: Math.max(1, Math.ceil(Math.max(...ends))) };
}

const spoken = ({ estimate, interval }: Estimate): string =>
  `${estimate.toFixed(2)}${interval ? ` (${interval.lower.toFixed(2)} to ${interval.upper.toFixed(2)})` : ''}`;

/** Lines over a common x, the key above. */
export function lines(
  { title, x, y, height = 270 }: { title: string; x: object; y: object; height?: number },
  drawn: readonly { readonly name: string; readonly points: readonly Point[] }[],
): Html {
  const ends = drawn.map(({ name, points }) => {
    const defined = points.filter(([, value]) => value !== '-');
    const [first, last] = [defined[0], defined.at(-1)];
    return first && last
      ? `${name} from ${Number(first[1]).toFixed(3)} to ${Number(last[1]).toFixed(3)}`
      : `${name} has none`;
  });
  return draw({
    height,
    label: `${title}. ${ends.join('; ')}`,
    key: drawn.map(({ name }) => name),
    option: (top) => ({
      grid: { left: 64, right: 24, top, bottom: 48 },
      xAxis: x,
      yAxis: y,
      series: drawn.map(({ name, points }, i) =>
        line({ name, points, ...look(i), showSymbol: points.length <= 40, symbolSize: 5 }),
      ),
    }),
  });
}
