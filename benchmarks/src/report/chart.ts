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
          markLine: {
            symbol: 'none',
            data: [{ xAxis: mark }],
            lineStyle: { color: colors[1], width: 2, type: [5, 4] },
            label: { show: false },
          },
        }),
      },
    ],
  });
}

/** Where a logarithmic axis begins. */
function floorOf(least: number): number {
  if (least >= 1) return 1;
  return least >= 0.5 ? 0.5 : 10 ** Math.floor(Math.log10(least));
}

export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Lines over logarithmic axes, where a power is a straight line. */
export function curves(x: string, y: string, all: readonly Curve[]): string {
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
    xAxis: { ...numeric(x, true), logBase: 2, min: 'dataMin', max: 'dataMax' },
    yAxis: { ...numeric(y, true), nameGap: 48 },
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
