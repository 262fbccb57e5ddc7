import { isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  alignCurves,
  areaUnderCurve,
  finalPerformance,
  interquartileMean,
  type LearningCurve,
  meanOverTasks,
  medianOverTasks,
  optimalityGap,
  performanceProfile,
  probabilityOfImprovement,
  samplesToThreshold,
} from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-12 };
const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
const score = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ min: -2, max: 2, noNaN: true }));
const matrix = (tasks: number) =>
  fc.array(fc.array(score, { minLength: tasks, maxLength: tasks }), { minLength: 1, maxLength: 5 });
const scores = fc.integer({ min: 1, max: 5 }).chain(matrix);
const pair = fc.integer({ min: 1, max: 4 }).chain((tasks) => fc.tuple(matrix(tasks), matrix(tasks)));

describe('point aggregates', () => {
  test('golden', () => {
    expect(
      interquartileMean([
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 100],
      ]),
    ).toBe(4.5);
    expect(interquartileMean([[1], [2], [3], [4], [10]])).toBe(3);
    expect(interquartileMean([[1, 2, 9]])).toBe(4); // nothing is cut of three
    expect(
      meanOverTasks([
        [1, 10],
        [3, 30],
      ]),
    ).toBe(11);
    expect(
      medianOverTasks([
        [1, 10, 100],
        [3, 30, 0],
      ]),
    ).toBe(20);
    expect(
      medianOverTasks([
        [1, 10],
        [3, 30],
      ]),
    ).toBe(11);
    expect(
      optimalityGap([
        [0.5, 2],
        [1, 0],
      ]),
    ).toBe(0.375);
    expect(optimalityGap([[0.5, 2]], { gamma: 2 })).toBe(0.75);
  });

  test('are their definitions', () => {
    forAll([scores], (x) => {
      const tasks = x[0]!.map((_, t) => mean(x.map((row) => row[t]!)));
      const sorted = x.flat().sort((a, b) => a - b);
      const kept = sorted.filter(
        (_, i) => i >= Math.floor(sorted.length / 4) && i < sorted.length - Math.floor(sorted.length / 4),
      );
      const middle = tasks.toSorted((a, b) => a - b);
      const median = (middle[(middle.length - 1) >> 1]! + middle[middle.length >> 1]!) / 2;
      const actual = [meanOverTasks(x), medianOverTasks(x), interquartileMean(x), optimalityGap(x)];
      const expected = [mean(tasks), median, mean(kept), 1 - mean(x.flat().map((v) => Math.min(v, 1)))];
      expect(maxError(actual, expected, tight)).toBeLessThanOrEqual(1);
    });
  });

  test('do not depend on the order of runs and tasks, move with the scores, and lie within them', () => {
    forAll([scores, fc.integer({ min: -4, max: 4 }), fc.constantFrom(0.5, 2, 3)], (x, shift, scale) => {
      const moved = x.map((row) => row.map((v) => scale * v + shift));
      for (const aggregate of [meanOverTasks, medianOverTasks, interquartileMean]) {
        const value = aggregate(x);
        expect(maxError([aggregate(moved)], [scale * value + shift], tight)).toBeLessThanOrEqual(1);
        expect(
          maxError([aggregate(x.toReversed()), aggregate(x.map((row) => row.toReversed()))], [value, value], tight),
        ).toBeLessThanOrEqual(1);
        expect(value).toBeGreaterThanOrEqual(Math.min(...x.flat()) - 1e-12);
        expect(value).toBeLessThanOrEqual(Math.max(...x.flat()) + 1e-12);
      }
      expect(
        maxError([optimalityGap(moved, { gamma: scale + shift })], [scale * optimalityGap(x)], tight),
      ).toBeLessThanOrEqual(1);
      expect(optimalityGap(x)).toBeGreaterThanOrEqual(0);
    });
  });
});

describe('probability of improvement', () => {
  test('golden: (1, 2, 3) over (2, 2, 0)', () => {
    expect(probabilityOfImprovement([[1], [2], [3]], [[2], [2], [0]])).toBeCloseTo(2 / 3, 14);
  });

  test('the share of pairs, averaged over tasks; P(X, Y) + P(Y, X) = 1; ½ for the same; by ranks alone', () => {
    forAll([pair], ([x, y]) => {
      const perTask = x[0]!.map((_, t) =>
        mean(x.flatMap((a) => y.map((b) => (a[t]! > b[t]! ? 1 : a[t] === b[t] ? 0.5 : 0)))),
      );
      const value = probabilityOfImprovement(x, y);
      expect(value).toBeCloseTo(mean(perTask), 13);
      expect(value + probabilityOfImprovement(y, x)).toBeCloseTo(1, 13);
      expect(probabilityOfImprovement(x, x)).toBe(0.5);
      const cube = (z: readonly (readonly number[])[]) => z.map((row) => row.map((v) => 8 * v));
      expect(probabilityOfImprovement(cube(x), cube(y))).toBe(value);
    });
  });
});

describe('performance profile', () => {
  test('golden: strictly above τ, of runs and of tasks', () => {
    const x = [
      [0.2, 0.8],
      [0.4, 1],
    ];
    expect(Array.from(performanceProfile(x, [0, 0.2, 0.5, 1]))).toEqual([1, 0.75, 0.5, 0]);
    expect(Array.from(performanceProfile(x, [0.25, 0.35, 0.95], { of: 'tasks' }))).toEqual([1, 0.5, 0]);
  });

  test('never increases, and the area under it is the mean', () => {
    forAll([scores], (x) => {
      const all = x.flat();
      const taus = all.toSorted((a, b) => a - b);
      const profile = performanceProfile(x, taus);
      let area = taus[0]!; // below the smallest all exceed
      profile.forEach((share, i) => {
        const next = taus[i + 1];
        if (next === undefined) return;
        expect(profile[i + 1]).toBeLessThanOrEqual(share);
        area += share * (next - taus[i]!);
      });
      expect(area).toBeCloseTo(mean(all), 11);
      expect(profile.at(-1)).toBe(0);
    });
  });
});

describe('learning curves', () => {
  const curve = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 9 }), score), { minLength: 1, maxLength: 12 })
    .map((steps): { samples: number[]; scores: number[] } => {
      let at = 0;
      return { samples: steps.map(([gap]) => (at += gap)), scores: steps.map(([, s]) => s) };
    });

  test('golden', () => {
    const run = { samples: [0, 10, 40], scores: [0, 1, 0.5] };
    expect(areaUnderCurve(run)).toBe((10 * 0.5 + 30 * 0.75) / 40);
    expect(areaUnderCurve({ samples: [3], scores: [0.7] })).toBe(0.7);
    expect(finalPerformance([5, 1])).toBe(1);
    expect(finalPerformance(Array.from({ length: 30 }, (_, i) => i))).toBe(28);
    expect(finalPerformance(Array.from({ length: 31 }, (_, i) => i))).toBe(28.5);
    expect(finalPerformance([1, 2, 6], { share: 1 })).toBe(3);
    expect(finalPerformance([...Array(100).keys()], { share: 0.07 })).toBe(96);
    const never = { samples: [0, 10], scores: [0, 0.2] };
    expect(samplesToThreshold([run, never], 0.5)).toEqual({ samples: [10, null], censored: 1, median: null });
    expect(samplesToThreshold([run, never, run], 0.5)).toEqual({ samples: [10, null, 10], censored: 1, median: 10 });
    expect(samplesToThreshold([run, { samples: [7], scores: [1] }], 1)).toEqual({
      samples: [10, 7],
      censored: 0,
      median: 8.5,
    });
    expect(alignCurves([run, never], [0, 5, 20, 40, 41])).toEqual([
      [0, 0.5, 1 - 0.5 / 3, 0.5, null],
      [0, 0.1, null, null, null],
    ]);
    expect(alignCurves([{ samples: [3], scores: [1] }], [2, 3])).toEqual([[null, 1]]);
  });

  test('area: linear in the scores, without units of samples, and the same with points put between', () => {
    forAll([curve, fc.constantFrom(2, 10), fc.integer({ min: -3, max: 3 })], (run, factor, shift) => {
      const area = areaUnderCurve(run);
      const stretched = { samples: run.samples.map((s) => factor * s + shift), scores: run.scores };
      expect(areaUnderCurve(stretched)).toBeCloseTo(area, 11);
      expect(areaUnderCurve({ ...run, scores: run.scores.map((s) => factor * s + shift) })).toBeCloseTo(
        factor * area + shift,
        11,
      );
      const finer = run.samples.flatMap((s, i) => (i === 0 ? [s] : [(s + run.samples[i - 1]!) / 2, s]));
      const [between] = alignCurves([run], finer);
      expect(areaUnderCurve({ samples: finer, scores: between as number[] })).toBeCloseTo(area, 11);
    });
  });

  test('thresholds: later for higher ones, and aligned curves go through their evaluations', () => {
    forAll([fc.array(curve, { minLength: 1, maxLength: 6 }), score, score], (runs, a, b) => {
      const [low, high] = [samplesToThreshold(runs, Math.min(a, b)), samplesToThreshold(runs, Math.max(a, b))];
      expect(low.censored).toBeLessThanOrEqual(high.censored);
      for (const [i, count] of low.samples.entries()) {
        expect(count ?? Infinity).toBeLessThanOrEqual(high.samples[i] ?? Infinity);
      }
      const sorted = low.samples.map((s) => s ?? Infinity).sort((x, y) => x - y);
      const median = (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
      expect(low.median ?? Infinity).toBe(median);
      for (const run of runs) expect(alignCurves([run], run.samples)).toEqual([run.scores]);
    });
  });
});

describe('errors are sentences', () => {
  const backwards: LearningCurve = { samples: [2, 2], scores: [0, 0] };
  const cases: readonly [string, () => unknown, string][] = [
    ['data', () => meanOverTasks([]), 'meanOverTasks: scores must have at least one run and one task'],
    ['data', () => medianOverTasks([[]]), 'medianOverTasks: scores must have at least one run and one task'],
    [
      'shape',
      () => interquartileMean([[1, 2], [1]]),
      'interquartileMean: scores[1] must be of length 2 like scores[0]; got length 1',
    ],
    ['data', () => optimalityGap([[1], [Number.NaN]]), 'optimalityGap: scores[1][0] must be finite; got NaN'],
    ['option', () => optimalityGap([[1]], { gamma: Infinity }), 'optimalityGap: gamma must be finite; got Infinity'],
    [
      'shape',
      () => probabilityOfImprovement([[1]], [[1, 2]]),
      'probabilityOfImprovement: y must be of 1 tasks like x; got 2',
    ],
    [
      'option',
      () => performanceProfile([[1]], [0], { of: 'seeds' as 'runs' }),
      `performanceProfile: of must be 'runs' or 'tasks'; got "seeds"`,
    ],
    ['data', () => performanceProfile([[1]], [Number.NaN]), 'performanceProfile: taus[0] must be finite; got NaN'],
    ['option', () => finalPerformance([1], { share: 0 }), 'finalPerformance: share must be in (0, 1]; got 0'],
    ['data', () => finalPerformance([]), 'finalPerformance: scores must have at least 1 number; got 0'],
    ['data', () => areaUnderCurve(backwards), 'areaUnderCurve: curve.samples must increase; got 2 after 2'],
    [
      'shape',
      () => areaUnderCurve({ samples: [1], scores: [1, 2] }),
      'areaUnderCurve: curve.scores must be of length 1; got length 2',
    ],
    [
      'option',
      () => samplesToThreshold([backwards], Number.NaN),
      'samplesToThreshold: threshold must be finite; got NaN',
    ],
    ['data', () => samplesToThreshold([], 1), 'samplesToThreshold: there is no curve'],
    [
      'data',
      () => samplesToThreshold([backwards], 1),
      'samplesToThreshold: curves[0].samples must increase; got 2 after 2',
    ],
    ['data', () => alignCurves([backwards], []), 'alignCurves: at must have at least 1 number; got 0'],
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
