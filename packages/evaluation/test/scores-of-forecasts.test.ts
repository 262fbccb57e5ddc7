import { isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  auroc,
  averagePrecision,
  binaryMetricsOfProbabilities,
  brierDecomposition,
  calibrationBias,
  cohenKappa,
  confusion,
  expectedCalibrationError,
  fScore,
  logLoss,
  majorityBaseline,
  matthewsCorrelation,
  maximumCalibrationError,
  multiclassBrier,
  riskCoverage,
  softmaxTemperature,
  temperature,
} from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-12 };
const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
const probability = fc.oneof(
  fc.integer({ min: 0, max: 5 }).map((k) => k / 5),
  fc.double({ min: 0, max: 1, noNaN: true }),
);
const samples = fc
  .array(fc.tuple(probability, fc.constantFrom(0, 1)), { minLength: 1, maxLength: 25 })
  .map((pairs) => ({ p: pairs.map(([s]) => s), y: pairs.map(([, l]) => l) }));
/** The example of the specification. */
const p = [0.1, 0.45, 0.35, 0.85, 0.95, 0.62];
const y = [0, 0, 1, 1, 1, 0];

test('golden: the example of every measure', () => {
  const options = { bins: 5, kind: 'class-1' } as const;
  const actual = [
    expectedCalibrationError(p, y, options),
    maximumCalibrationError(p, y, options),
    brierDecomposition(p, y).brier,
    logLoss(p, y).nll,
    auroc(p, y) ?? 0,
    averagePrecision(p, y) ?? 0,
    binaryMetricsOfProbabilities({ probabilities: p, labels: y }).mcc,
  ];
  const expected = [0.3366666667, 0.65, 0.1740666667, 0.4890693152, 7 / 9, 0.8666666667, 1 / 3];
  expect(maxError(actual, expected, { absolute: 1e-10, relative: 0 })).toBeLessThanOrEqual(1);
});

describe('calibration', () => {
  test("Murphy's identity, its bounds, and the parts by group", () => {
    forAll([samples], (s) => {
      const { brier, reliability, resolution, uncertainty, skill } = brierDecomposition(s.p, s.y);
      expect(
        maxError([reliability - resolution + uncertainty], [mean(s.p.map((v, i) => (v - s.y[i]!) ** 2))], tight),
      ).toBeLessThanOrEqual(1);
      const rate = mean(s.y);
      const observed = s.p.map((v) => mean(s.y.filter((_, i) => s.p[i] === v)));
      const expected = [
        mean(s.p.map((v, i) => (v - observed[i]!) ** 2)),
        mean(observed.map((v) => (v - rate) ** 2)),
        rate * (1 - rate),
      ];
      expect(maxError([reliability, resolution, uncertainty], expected, tight)).toBeLessThanOrEqual(1);
      if (skill === null) expect(new Set(s.y).size).toBe(1);
      else expect(skill).toBeCloseTo(1 - brier / uncertainty, 12);
      const constant = brierDecomposition(
        s.y.map(() => rate),
        s.y,
      );
      expect(
        maxError([constant.brier, constant.skill ?? 0], [uncertainty, 0], { absolute: 1e-9, relative: 0 }),
      ).toBeLessThanOrEqual(1);
    });
  });

  test('the bias is mean confidence − accuracy, at most the ECE of any bins', () => {
    forAll([samples, fc.integer({ min: 1, max: 20 }), fc.constantFrom('top-label', 'class-1')], (s, bins, kind) => {
      const confidence = s.p.map((v) => (kind === 'class-1' ? v : Math.max(v, 1 - v)));
      const right = s.y.map((label, i) => (kind === 'class-1' ? label : Number(s.p[i]! >= 0.5 === (label === 1))));
      const bias = calibrationBias(s.p, s.y, { kind });
      expect(bias).toBeCloseTo(mean(confidence) - mean(right), 12);
      expect(Math.abs(bias)).toBeLessThanOrEqual(expectedCalibrationError(s.p, s.y, { bins, kind }) + 1e-12);
    });
  });

  test('log-loss: the plain one where nothing is clipped, and how much is', () => {
    forAll([samples], (s) => {
      const { nll, clipped } = logLoss(s.p, s.y, { clip: 1e-3 });
      const ofLabel = s.p.map((v, i) => (s.y[i] === 1 ? v : 1 - v));
      expect(nll).toBeCloseTo(mean(ofLabel.map((v) => -Math.log(Math.max(v, 1e-3)))), 10);
      expect(clipped).toBe(ofLabel.filter((v) => v < 1e-3).length);
    });
    expect(logLoss([0, 1], [1, 1])).toEqual({ nll: -Math.log(1e-12) / 2, clipped: 1 });
    expect(logLoss([0.25], [1], { clip: 0.25 }).clipped).toBe(0);
    expect(logLoss([1e-20], [0])).toEqual({ nll: 1e-20, clipped: 0 });
  });

  test('Brier of several classes: golden, and twice the binary one for two', () => {
    expect(
      multiclassBrier(
        [
          [0.7, 0.2, 0.1],
          [0, 0, 1],
        ],
        [0, 1],
      ),
    ).toBeCloseTo((0.09 + 0.04 + 0.01 + 2) / 2, 13);
    forAll([samples], (s) => {
      const rows = s.p.map((v) => [1 - v, v]);
      expect(multiclassBrier(rows, s.y)).toBeCloseTo(2 * brierDecomposition(s.p, s.y).brier, 12);
    });
  });

  test('softmax temperature: the minimum of the likelihood, and of two classes the binary one', () => {
    const logit = fc.integer({ min: -24, max: 24 }).map((k) => k / 8); // exact under shifts
    const rows = fc.array(fc.tuple(fc.tuple(logit, logit, logit), fc.integer({ min: 0, max: 2 })), {
      minLength: 1,
      maxLength: 12,
    });
    forAll([rows], (s) => {
      const [z, labels] = [s.map(([row]) => row), s.map(([, label]) => label)];
      const nll = (T: number): number =>
        mean(z.map((row, i) => Math.log(row.reduce((sum, v) => sum + Math.exp((v - row[labels[i]!]!) / T), 0))));
      const best = softmaxTemperature(z, labels);
      expect(best).toBeGreaterThanOrEqual(0.05);
      expect(best).toBeLessThanOrEqual(20);
      for (const T of [0.05, 0.1, 0.3, 0.7, 1, 1.5, 3, 8, 20, best * 1.01, best / 1.01]) {
        if (T >= 0.05 && T <= 20) expect(nll(best)).toBeLessThanOrEqual(nll(T) + 1e-12);
      }
      expect(
        softmaxTemperature(
          z.map((row) => row.map((v) => v + 7)),
          labels,
        ),
      ).toBe(best);
    });
    const logits = [2.2, 1.4, 1.4, -0.4, -0.8, -2.2];
    const labels = [1, 1, 0, 1, 0, 0];
    expect(
      softmaxTemperature(
        logits.map((v) => [0, v]),
        labels,
      ),
    ).toBeCloseTo(temperature({ logits, labels }), 6);
    expect(softmaxTemperature([[0, 1]], [1])).toBe(0.05);
    expect(softmaxTemperature([[0, 1]], [0])).toBe(20);
    expect(softmaxTemperature([[3, 3]], [0])).toBe(1);
  });
});

describe('agreement', () => {
  const square = fc
    .integer({ min: 1, max: 4 })
    .chain((n) =>
      fc.array(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: n, maxLength: n }), {
        minLength: n,
        maxLength: n,
      }),
    )
    .filter((m) => m.flat().some((count) => count > 0));

  test('golden', () => {
    const counts = [
      [5, 1, 0],
      [1, 4, 1],
      [0, 2, 6],
    ];
    expect(matthewsCorrelation(counts)).toBeCloseTo(0.6264195544, 10);
    expect(cohenKappa(counts)).toBeCloseTo(0.6240601504, 10);
    expect(cohenKappa([[4]])).toBeNull();
    expect(matthewsCorrelation([[4]])).toBe(0);
  });

  test('MCC is the correlation of the indicators, summed over classes; κ its agreement beyond chance', () => {
    forAll([square], (counts) => {
      const pairs = counts.flatMap((row, t) => row.flatMap((n, q) => new Array<[number, number]>(n).fill([t, q])));
      const covariance = (i: 0 | 1, j: 0 | 1): number =>
        counts.reduce((sum, _, k) => {
          const [a, b] = [i, j].map((side) => pairs.map((pair) => Number(pair[side as 0 | 1] === k)));
          return sum + mean(a!.map((v, e) => v * b![e]!)) - mean(a!) * mean(b!);
        }, 0);
      const scale = Math.sqrt(covariance(0, 0) * covariance(1, 1));
      const mcc = matthewsCorrelation(counts);
      expect(mcc).toBeCloseTo(scale < 1e-9 ? 0 : covariance(0, 1) / scale, 10);
      const chance = counts.reduce(
        (sum, _, k) => sum + mean(pairs.map(([t]) => Number(t === k))) * mean(pairs.map(([, q]) => Number(q === k))),
        0,
      );
      const agreed = mean(pairs.map(([t, q]) => Number(t === q)));
      const kappa = cohenKappa(counts);
      if (kappa === null) expect(chance).toBeCloseTo(1, 12);
      else expect(kappa).toBeCloseTo((agreed - chance) / (1 - chance), 10);
      expect(Math.abs(mcc)).toBeLessThanOrEqual(1 + 1e-12);
      expect(matthewsCorrelation(counts.toReversed().map((row) => row.toReversed()))).toBeCloseTo(mcc, 12);
    });
  });

  test('of two classes: the MCC and the F1 of the binary metrics; F_β between precision and recall', () => {
    forAll([samples, fc.constantFrom(0.5, 1, 2)], (s, beta) => {
      const counts = confusion(s.p, s.y);
      const metrics = binaryMetricsOfProbabilities({ probabilities: s.p, labels: s.y });
      expect(matthewsCorrelation(counts)).toBeCloseTo(metrics.mcc, 12);
      expect(fScore(counts, 1) ?? 0).toBeCloseTo(metrics.f1, 12);
      const [[, fp], [fn, tp]] = counts;
      const value = fScore(counts, beta);
      if (value === null) expect(tp + fp + fn).toBe(0);
      else if (tp === 0) expect(value).toBe(0);
      else {
        const [precision, recall] = [tp / (tp + fp), tp / (tp + fn)];
        expect(value).toBeCloseTo(((1 + beta ** 2) * precision * recall) / (beta ** 2 * precision + recall), 12);
      }
    });
  });

  test('the majority baseline', () => {
    expect(majorityBaseline([0, 0, 1, 0])).toBe(0.75);
    expect(majorityBaseline(['a', 'b', 'c', 'b'])).toBe(0.5);
  });
});

describe('risk and coverage', () => {
  test('golden: the risk of the first k, and its mean', () => {
    const { coverage, risk, area } = riskCoverage([0.9, 0.6, 0.8, 0.7], [1, 0, 0, 1]);
    expect(coverage).toEqual([0.25, 0.5, 0.75, 1]);
    expect(risk).toEqual([0, 1 / 2, 1 / 3, 1 / 2]);
    expect(area).toBeCloseTo((1 / 2 + 1 / 3 + 1 / 2) / 4, 14);
  });

  test('ties: the mean over all orders of the examples', () => {
    const few = fc.array(fc.tuple(fc.constantFrom(-Infinity, 0, 1), fc.constantFrom(0, 1)), {
      minLength: 1,
      maxLength: 5,
    });
    const orders = (n: number): number[][] =>
      n === 0 ? [[]] : orders(n - 1).flatMap((o) => Array.from({ length: n }, (_, i) => o.toSpliced(i, 0, n - 1)));
    forAll([few], (s) => {
      const [c, right] = [s.map(([v]) => v), s.map(([, v]) => v)];
      const all = orders(s.length).map((order) => {
        const sorted = order.toSorted((i, j) => (c[i]! > c[j]! ? -1 : c[i]! < c[j]! ? 1 : 0));
        return sorted.map((_, k) => mean(sorted.slice(0, k + 1).map((i) => 1 - right[i]!)));
      });
      const result = riskCoverage(c, right);
      expect(
        maxError(
          result.risk,
          result.risk.map((_, k) => mean(all.map((risk) => risk[k]!))),
          tight,
        ),
      ).toBeLessThanOrEqual(1);
      expect(result.risk.at(-1)).toBeCloseTo(1 - mean(right), 13);
      expect(riskCoverage(c.toReversed(), right.toReversed())).toEqual(result);
    });
  });
});

describe('errors are sentences', () => {
  const cases: readonly [string, () => unknown, string][] = [
    ['data', () => brierDecomposition([], []), 'brierDecomposition: there is no example to evaluate'],
    ['data', () => brierDecomposition([1.2], [1]), 'brierDecomposition: probabilities[0] must be in [0, 1]; got 1.2'],
    [
      'option',
      () => calibrationBias([1], [1], { threshold: 2 }),
      'calibrationBias: threshold must be in [0, 1]; got 2',
    ],
    ['option', () => logLoss([1], [1], { clip: 0 }), 'logLoss: clip must be in (0, 0.5); got 0'],
    ['data', () => multiclassBrier([[0.5, 0.4]], [0]), 'multiclassBrier: probabilities[0] must sum to 1; got 0.9'],
    ['data', () => multiclassBrier([[-1, 2]], [0]), 'multiclassBrier: probabilities[0][0] must be in [0, 1]; got -1'],
    [
      'data',
      () => multiclassBrier([[0.5, 0.5]], [2]),
      'multiclassBrier: labels[0] must be one of the classes 0 to 1; got 2',
    ],
    [
      'shape',
      () => softmaxTemperature([[1, 2], [1]], [0, 0]),
      'softmaxTemperature: logits[1] must be of length 2 like logits[0]; got length 1',
    ],
    [
      'shape',
      () => softmaxTemperature([[1, 2]], [0, 0]),
      'softmaxTemperature: logits must be of length 2; got length 1',
    ],
    [
      'data',
      () => softmaxTemperature([[1, Infinity]], [0]),
      'softmaxTemperature: logits[0][1] must be finite; got Infinity',
    ],
    ['data', () => softmaxTemperature([], []), 'softmaxTemperature: there is no example to evaluate'],
    [
      'shape',
      () => matthewsCorrelation([[1, 2]]),
      'matthewsCorrelation: confusion[0] must be of length 1, one per class; got length 2',
    ],
    ['data', () => cohenKappa([[0.5]]), 'cohenKappa: confusion[0][0] must be a whole number of at least 0; got 0.5'],
    ['data', () => cohenKappa([[0]]), 'cohenKappa: there is no example to evaluate'],
    [
      'option',
      () =>
        fScore(
          [
            [0, 0],
            [0, 1],
          ],
          0,
        ),
      'fScore: beta must be positive and finite; got 0',
    ],
    ['data', () => majorityBaseline([]), 'majorityBaseline: there is no label'],
    ['data', () => riskCoverage([Number.NaN], [1]), 'riskCoverage: confidences[0] must be a number; got NaN'],
  ];
  test.each(cases)('%s: %#', (code, run, message) => {
    let thrown: unknown;
    try {
      run();
    } catch (error) {
      thrown = error;
    }
    expect(isTsrlError(thrown) && [thrown.code, thrown.message]).toEqual([code, message]);
  });
});
