import { LineChart } from 'echarts/charts.js';
import { GridComponent, LegendComponent } from 'echarts/components.js';
import { init, use } from 'echarts/core.js';
import { SVGRenderer } from 'echarts/renderers.js';
import { type Html, html, trusted } from './html.js';

use([LineChart, GridComponent, LegendComponent, SVGRenderer]);

/** The colours of Okabe and Ito that hold on white and on black; dashes and symbols tell lines apart without them. */
const colors = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9'];
const dashes = ['solid', [7, 4], [2, 3], [9, 3, 2, 3], [14, 4]];
const symbols = ['circle', 'triangle', 'rect', 'diamond'];
/** What is not a run takes the colour of the text, which follows the page from light to dark. */
export const ink = 'currentColor';

export type Point = readonly [x: number, y: number | '-'];

export interface Line {
  readonly name: string;
  readonly points: readonly Point[];
  readonly [option: string]: unknown;
}

/** How run number i looks, in every plot of the page. */
export function look(i: number): { color: string; symbol: string; lineStyle: object } {
  const color = colors[i % colors.length] as string;
  return {
    color,
    symbol: symbols[i % symbols.length] as string,
    lineStyle: { color, width: 2, type: dashes[i % dashes.length], cap: 'butt' },
  };
}

/** A line series; nothing moves, nothing reacts. */
export const line = ({ points, ...series }: Line): object => ({
  type: 'line',
  data: points,
  symbolSize: 6,
  silent: true,
  clip: false,
  emphasis: { disabled: true },
  ...series,
});

/** A thin line in the colour of the text. */
export const guide = (name: string, points: readonly Point[]): object =>
  line({
    name,
    points,
    symbol: 'none',
    color: ink,
    lineStyle: { color: ink, width: 1, type: [3, 3], opacity: 0.6 },
    // The key would draw a symbol that the line has not.
    itemStyle: { opacity: 0 },
  });

/** A numeric axis with its name along it. */
export const axis = (name: string, options: object = {}): object => ({
  type: 'value',
  name,
  nameLocation: 'middle',
  nameGap: 32,
  nameTextStyle: { color: ink, fontSize: 13 },
  axisLabel: { color: ink, fontSize: 12 },
  axisLine: { show: true, onZero: false, lineStyle: { color: ink, opacity: 0.6 } },
  axisTick: { show: true, lineStyle: { color: ink, opacity: 0.6 } },
  splitLine: { lineStyle: { color: ink, opacity: 0.12 } },
  ...options,
});

const rowHeight = 20;

/** One plot, with its key above: the names that are to stand there, one a line. */
export interface Plot {
  readonly height: number;
  readonly label: string;
  readonly key: readonly string[];
  /** The rest of the option, given where the key ends. */
  readonly option: (top: number) => Readonly<Record<string, unknown>>;
}

export const width = 480;

/** The plot as SVG in the page, in the page's colours, with the same bytes for the same plot. */
export function draw({ height, label, key, option }: Plot): Html {
  const top = key.length * rowHeight + 12;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height: top + height });
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: 'system-ui, sans-serif' },
    legend: {
      show: key.length > 0,
      data: [...key],
      orient: 'vertical',
      left: 60,
      top: 0,
      padding: 0,
      itemGap: 6,
      itemWidth: 40,
      itemHeight: 9,
      textStyle: { color: ink, fontSize: 13 },
    },
    ...option(top),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return html`<svg role="img" aria-label="${label}" viewBox="0 0 ${width} ${top + height}">${trusted(body(svg))}</svg>`;
}

/**
 * Inside of the SVG, without what only serves a pointer, and without the clip paths, which clip nothing here (`clip` is
 * off) and whose names carry a counter of the process.
 */
const body = (svg: string): string =>
  svg
    .slice(svg.indexOf('>') + 1, svg.lastIndexOf('</svg>'))
    .replace(/<(style|defs)\b[\s\S]*?<\/\1>/g, '')
    .replace(/ (class|pointer-events|clip-path|ecmeta_\w+)="[^"]*"/g, '');
