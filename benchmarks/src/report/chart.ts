import { BarChart, LineChart } from 'echarts/charts.js';
import { GridComponent, LegendComponent, MarkLineComponent } from 'echarts/components.js';
import { init, use } from 'echarts/core.js';
import { SVGRenderer } from 'echarts/renderers.js';

use([BarChart, LineChart, GridComponent, LegendComponent, MarkLineComponent, SVGRenderer]);

/** The colours of Okabe and Ito, told apart by most eyes. */
const colors = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#666666'];
const symbols = ['circle', 'triangle', 'rect', 'diamond'];
const ink = '#24292f';
const width = 900;
const barHeight = 21;
/** Of most letters at most: how wide text is on the reader's screen is not known here. */
const characterWidth = 6.8;

/** Puts a figure into the page: its name, what it shows and how to read it, the file. */
export type Draw = (name: string, caption: string, svg: string) => string;

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** Stands at its end. */
  readonly text: string;
}

export interface Bars {
  readonly axis: string;
  readonly bars: readonly Bar[];
  /** A value drawn across all bars. */
  readonly mark?: number;
  readonly logarithmic?: boolean;
}

/** Horizontal bars, the first on top, as an SVG file. */
export function bars({ axis, bars: all, mark, logarithmic = false }: Bars): string {
  const values = all.map(({ value }) => value);
  return svg(all.length * barHeight + 60, {
    grid: {
      left: 16 + Math.max(...all.map(({ label }) => label.length)) * characterWidth,
      right: 130,
      top: 8,
      bottom: 48,
    },
    xAxis: {
      ...numeric(axis, logarithmic),
      ...(logarithmic && { min: floorOf(Math.min(...values)) }),
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: all.map(({ label }) => label),
      axisLabel: { color: ink, fontSize: 12 },
      axisTick: { show: false },
      axisLine: { show: false },
    },
    series: [
      {
        type: 'bar',
        barWidth: 13,
        data: all.map(({ value, text }) => ({ value, label: { formatter: text } })),
        itemStyle: { color: colors[0] },
        label: { show: true, position: 'right', color: ink, fontSize: 12 },
        ...(mark !== undefined && {
          markLine: line(mark, colors[1]),
        }),
      },
    ],
  });
}

/** Dashed, across all bars. */
const line = (at: number, color: string | undefined): object => ({
  symbol: 'none',
  data: [{ xAxis: at }],
  lineStyle: { color, width: 2, type: [5, 4] },
  label: { show: false },
});

/** Where a logarithmic axis begins. */
function floorOf(least: number): number {
  if (least >= 1) return 1;
  return least >= 0.5 ? 0.5 : 10 ** Math.floor(Math.log10(least));
}

export interface Ratios {
  readonly axis: string;
  /** In the order of the colours. */
  readonly series: readonly string[];
  readonly groups: readonly {
    readonly label: string;
    readonly bars: readonly { readonly series: string; readonly value: number; readonly text: string }[];
  }[];
}

/** Horizontal bars that begin at 1 and double with every step of the grid, in groups, the first on top. */
export function ratios({ axis, series, groups }: Ratios): string {
  const rowHeight = 15;
  const rows = groups.flatMap(({ label, bars: group }, i) => [
    ...(i > 0 ? [{ label: '', bar: undefined }] : []),
    ...group.map((bar, j) => ({ label: j === 0 ? label : '', bar })),
  ]);
  const steps = groups.flatMap(({ bars: group }) => group.map(({ value }) => Math.log2(value)));
  const present = series.filter((name) => rows.some(({ bar }) => bar?.series === name));
  return svg(rows.length * rowHeight + 90, {
    legend: { data: present, top: 0, itemGap: 26, textStyle: { color: ink, fontSize: 12 } },
    grid: {
      left: 16 + Math.max(...groups.map(({ label }) => label.length)) * characterWidth,
      right: 30,
      top: 34,
      bottom: 48,
    },
    xAxis: {
      ...numeric(axis, false),
      min: Math.min(0, Math.floor(Math.min(...steps) - 1)),
      max: Math.max(0, Math.ceil(Math.max(...steps) + 0.5)),
      interval: 1,
      axisLabel: { color: ink, fontSize: 11, formatter: (step: number) => (step < 0 ? `1/${2 ** -step}` : 2 ** step) },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: rows.map(({ label }) => label),
      axisLabel: { color: ink, fontSize: 12, interval: 0 },
      axisTick: { show: false },
      axisLine: { show: false, onZero: false },
    },
    series: present.map((name, i) => ({
      name,
      type: 'bar',
      barWidth: 11,
      barGap: '-100%',
      color: colors[series.indexOf(name)],
      data: rows.map(({ bar }) =>
        bar?.series === name
          ? {
              value: Math.log2(bar.value),
              label: { formatter: bar.text, position: bar.value < 1 ? 'left' : 'right' },
            }
          : null,
      ),
      label: { show: true, color: ink, fontSize: 11 },
      ...(i === 0 && { markLine: line(0, ink) }),
    })),
  });
}

export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Lines: over logarithmic axes, where a power is a straight line, or over plain ones. */
export function curves(x: string, y: string, all: readonly Curve[], logarithmic = { x: true, y: true }): string {
  const rows = Math.ceil(all.length / 5);
  return svg(400 + rows * 24, {
    legend: {
      data: all.map(({ name }) => name),
      top: 0,
      left: 60,
      width: width - 60,
      itemGap: 26,
      textStyle: { color: ink, fontSize: 12 },
    },
    grid: { left: 70, right: 40, top: 16 + rows * 24, bottom: 48 },
    xAxis: { ...numeric(x, logarithmic.x), ...(logarithmic.x && { logBase: 2, min: 'dataMin', max: 'dataMax' }) },
    yAxis: { ...numeric(y, logarithmic.y), nameGap: 48 },
    series: all.map(({ name, points }, i) => ({
      name,
      type: 'line',
      data: points,
      color: colors[i % colors.length],
      symbol: symbols[i % symbols.length],
      symbolSize: 7,
      lineStyle: { width: 2, type: i < colors.length ? 'solid' : [6, 4] },
    })),
  });
}

const numeric = (name: string, logarithmic: boolean): object => ({
  type: logarithmic ? 'log' : 'value',
  name,
  nameLocation: 'middle',
  nameGap: 24,
  nameTextStyle: { color: ink, fontSize: 12 },
  axisLabel: { color: ink, fontSize: 11 },
  axisLine: { show: true, lineStyle: { color: '#8c959f' } },
  splitLine: { lineStyle: { color: '#d0d7de' } },
});

/** The same bytes for the same option: the counters and the styles for a pointer that ECharts adds are taken out. */
function svg(height: number, option: object): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'system-ui, sans-serif' },
    ...option,
  });
  const text = chart.renderToSVGString();
  chart.dispose();
  return `${text
    .replace(/<style[\s\S]*?<\/style>/g, '')
    .replace(/ (class|pointer-events|ecmeta_\w+)="[^"]*"/g, '')
    .replace(/zr\d+-/g, 'zr-')}\n`;
}
