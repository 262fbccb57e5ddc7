import { sigmoid } from '@tsrl/core';
import { type ReliabilityBin, reliability, wilsonInterval } from '@tsrl/evaluation';
import { axis, draw, guide, line, look, type Point } from './chart.js';
import { figure } from './figure.js';
import { count, metric } from './format.js';
import type { Html } from './html.js';
import type { LabelledRun } from './labelled.js';

const bins = 10;

/** Reliability of the probability of class 1, and below it how many texts each bin has. */
export function calibration(runs: readonly LabelledRun[]): Html {
  const drawn = runs.map(({ label, result, test }) => ({
    name: `${label}: ECE ${metric(result.metrics.ece)}`,
    diagram: reliability(Float64Array.from(test.logits, sigmoid), test.labels, { bins, kind: 'class-1' }),
  }));
  const calibrated = 'perfectly calibrated';
  const svg = draw({
    height: 444,
    label: `Reliability diagram with counts. ${drawn.map(({ name, diagram }) => summary(name, diagram)).join('; ')}`,
    key: [...drawn.map(({ name }) => name), calibrated],
    option: (top) => ({
      grid: [
        { left: 64, right: 20, top, height: 276 },
        { left: 64, right: 20, bottom: 48, height: 88 },
      ],
      xAxis: [
        axis('', { min: 0, max: 1, axisLabel: { show: false } }),
        axis('predicted probability of class 1', { min: 0, max: 1, gridIndex: 1 }),
      ],
      yAxis: [
        axis('observed share of class 1', { min: 0, max: 1, nameGap: 40 }),
        axis('texts', {
          min: 0,
          gridIndex: 1,
          nameGap: 40,
          splitNumber: 2,
          minInterval: 1,
          axisLabel: { color: 'currentColor', fontSize: 12, formatter: count },
        }),
      ],
      series: [
        guide(calibrated, [
          [0, 0],
          [1, 1],
        ]),
        ...drawn.flatMap(({ name, diagram }, i) => {
          const style = look(i);
          const { color } = style;
          const plain = { color, symbol: 'none' };
          return [
            line({ name: `${name}, 95 %`, points: whiskers(diagram), ...plain, lineStyle: { color, opacity: 0.45 } }),
            line({ name, points: means(diagram), ...style, symbolSize: 8 }),
            line({
              name: `${name}, texts`,
              points: steps(diagram),
              ...plain,
              lineStyle: { ...style.lineStyle, width: 1.5 },
              areaStyle: { color, opacity: runs.length === 1 ? 0.25 : 0.1 },
              xAxisIndex: 1,
              yAxisIndex: 1,
            }),
          ];
        }),
      ],
    }),
  });
  return figure(
    'Reliability diagram',
    'Of the texts given about this probability, how many were of class 1 (with 95 % Wilson intervals): on the diagonal, probabilities mean what they say; above it they are too low. Below: texts per bin. ECE is that of the predicted class.',
    svg,
  );
}

const filled = (diagram: readonly ReliabilityBin[]): { count: number; confidence: number; frequency: number }[] =>
  diagram.flatMap(({ count, confidence, frequency }) =>
    confidence === null || frequency === null ? [] : [{ count, confidence, frequency }],
  );

const means = (diagram: readonly ReliabilityBin[]): Point[] =>
  filled(diagram).map(({ confidence, frequency }) => [confidence, frequency]);

const whiskers = (diagram: readonly ReliabilityBin[]): Point[] =>
  filled(diagram).flatMap(({ count, confidence, frequency }): Point[] => {
    const { lower, upper } = wilsonInterval(Math.round(frequency * count), count);
    return [
      [confidence, lower],
      [confidence, upper],
      [confidence, '-'],
    ];
  });

const steps = (diagram: readonly ReliabilityBin[]): Point[] => [
  [0, 0],
  ...diagram.flatMap(({ lower, upper, count }): Point[] => [
    [lower, count],
    [upper, count],
  ]),
  [1, 0],
];

const summary = (name: string, diagram: readonly ReliabilityBin[]): string =>
  `${name}; ${filled(diagram)
    .map(
      ({ count, confidence, frequency }) =>
        `${confidence.toFixed(2)} predicted, ${frequency.toFixed(2)} observed, ${count} texts`,
    )
    .join('; ')}`;
