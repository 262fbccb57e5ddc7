import { isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectedCalibrationError, maximumCalibrationError, type ReliabilityBin, reliability } from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-12 };
const label = fc.constantFrom(0, 1);
const probability = fc.oneof(
  fc.integer({ min: 0, max: 20 }).map((k) => k / 20),
  fc.double({ min: 0, max: 1, noNaN: true }),
);
const samples = fc
  .array(fc.tuple(probability, label), { minLength: 1, maxLength: 30 })
  .map((pairs) => ({ p: pairs.map(([s]) => s), y: pairs.map(([, l]) => l) }));
const binCounts = fc.integer({ min: 1, max: 20 });
const kinds = fc.constantFrom('top-label', 'class-1');
const golden = { p: [0.9, 0.8, 0.8, 0.4, 0.3, 0.1], y: [1, 1, 0, 1, 0, 0] };

type Kind = 'top-label' | 'class-1';
const confidenceOf = (p: number, kind: Kind, threshold: number): number =>
  kind === 'class-1' || p >= threshold ? p : 1 - p;
const hitOf = (p: number, y: number, kind: Kind, threshold: number): number =>
  kind === 'class-1' ? y : Number(p >= threshold === (y === 1));

/** Bin by bin, every example looked at for each; returns the gap and the count of every bin that is not empty. */
function gaps(p: readonly number[], y: readonly number[], bins: number, kind: Kind, threshold: number) {
  return Array.from({ length: bins }, (_, b) => {
    const inside = p.flatMap((x, i) => {
      const c = confidenceOf(x, kind, threshold);
      const here = (c > b / bins || (b === 0 && c === 0)) && c <= (b + 1) / bins;
      return here ? [[c, hitOf(x, y[i] as number, kind, threshold)] as const] : [];
    });
    const mean = (k: 0 | 1): number => inside.reduce((s, pair) => s + pair[k], 0) / inside.length;
    return { n: inside.length, gap: inside.length === 0 ? 0 : Math.abs(mean(0) - mean(1)) };
  });
}

describe('equal widths', () => {
  test('golden: ECE with 10 bins', () => {
    expect(expectedCalibrationError(golden.p, golden.y, { bins: 10 })).toBeCloseTo(0.2833333333, 10);
    expect(maximumCalibrationError(golden.p, golden.y, { bins: 10 })).toBeCloseTo(0.6, 12);
    // Class 1: bins of .1 (0), .3 (0), .4 (1), .8 (1 of 2), .9 (1)
    expect(expectedCalibrationError(golden.p, golden.y, { bins: 10, kind: 'class-1' })).toBeCloseTo(
      (0.1 + 0.3 + 0.6 + 2 * 0.3 + 0.1) / 6,
      12,
    );
  });

  test('ECE and MCE are their definitions', () => {
    forAll([samples, binCounts, kinds, probability], ({ p, y }, bins, kind, threshold) => {
      const expected = gaps(p, y, bins, kind, threshold);
      const ece = expected.reduce((s, { n, gap }) => s + n * gap, 0) / p.length;
      const options = { bins, kind, threshold };
      expect(maxError([expectedCalibrationError(p, y, options)], [ece], tight)).toBeLessThanOrEqual(1);
      const mce = Math.max(...expected.map(({ gap }) => gap));
      expect(maxError([maximumCalibrationError(p, y, options)], [mce], tight)).toBeLessThanOrEqual(1);
      expect(reliability(p, y, options).map((bin) => bin.count)).toEqual(expected.map(({ n }) => n));
    });
  });

  test('bins are closed above; the first one has 0; edges are exact', () => {
    const counts = (p: number[], bins: number): number[] =>
      reliability(
        p,
        p.map(() => 1),
        { bins, kind: 'class-1' },
      ).map((bin) => bin.count);
    expect(counts([0, 0.25, 0.5, 0.75, 1], 4)).toEqual([2, 1, 1, 1]);
    for (let bins = 2; bins <= 100; bins++) {
      const edges = Array.from({ length: bins }, (_, b) => (b + 1) / bins);
      expect(counts(edges, bins)).toEqual(edges.map(() => 1));
      const above = edges.slice(0, -1).map((edge) => edge + 2 ** (Math.floor(Math.log2(edge)) - 52)); // the next double
      expect(counts(above, bins)).toEqual(edges.map((_, b) => (b === 0 ? 0 : 1)));
    }
  });

  test('empty bins have no confidence', () => {
    expect(reliability([0.9], [1], { bins: 2 })).toEqual<ReliabilityBin[]>([
      { lower: 0, upper: 0.5, count: 0, confidence: null, frequency: null },
      { lower: 0.5, upper: 1, count: 1, confidence: 0.9, frequency: 1 },
    ]);
  });

  test('one bin: the distance between accuracy and mean confidence', () => {
    forAll([samples], ({ p, y }) => {
      const accuracy = p.filter((x, i) => (x >= 0.5 ? 1 : 0) === y[i]).length / p.length;
      const confidence = p.reduce((s, x) => s + Math.max(x, 1 - x), 0) / p.length;
      expect(expectedCalibrationError(p, y, { bins: 1 })).toBeCloseTo(Math.abs(accuracy - confidence), 12);
    });
  });
});

describe('equal masses', () => {
  test('distinct confidences fill the bins evenly, in order', () => {
    forAll([fc.integer({ min: 1, max: 40 }), binCounts], (n, bins) => {
      const p = Array.from({ length: n }, (_, i) => 0.5 + (0.5 * (i + 1)) / (n + 1));
      const diagram = reliability(
        p,
        p.map(() => 1),
        { bins, spacing: 'equal-mass' },
      );
      const counts = diagram.map((bin) => bin.count);
      expect(counts.reduce((a, b) => a + b, 0)).toBe(n);
      expect(diagram).toHaveLength(Math.min(n, bins));
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      for (let b = 1; b < diagram.length; b++) expect(diagram[b]?.lower).toBeGreaterThan(diagram[b - 1]?.upper ?? 1);
    });
  });

  test('ties stay together, so the order of the examples means nothing', () => {
    forAll([samples, binCounts, kinds], ({ p, y }, bins, kind) => {
      const options = { bins, kind, spacing: 'equal-mass' } as const;
      const diagram = reliability(p, y, options);
      const confidences = p.map((x) => confidenceOf(x, kind, 0.5));
      for (const c of confidences) {
        expect(diagram.filter(({ lower, upper }) => c >= lower && c <= upper)).toHaveLength(1);
      }
      const turned = reliability(p.toReversed(), y.toReversed(), options);
      expect(turned.map((bin) => bin.count)).toEqual(diagram.map((bin) => bin.count));
      const ece = expectedCalibrationError(p, y, options);
      expect(expectedCalibrationError(p.toReversed(), y.toReversed(), options)).toBeCloseTo(ece, 12);
      // The definition over the bins reported.
      const sum = diagram.reduce((s, { lower, upper }) => {
        const inside = confidences.flatMap((c, i) => (c >= lower && c <= upper ? [i] : []));
        const hits = inside.reduce((t, i) => t + hitOf(p[i] as number, y[i] as number, kind, 0.5), 0);
        return s + Math.abs(hits - inside.reduce((t, i) => t + (confidences[i] as number), 0));
      }, 0);
      expect(ece).toBeCloseTo(sum / p.length, 12);
    });
  });

  test('ties go where their middle rank falls', () => {
    const options = { bins: 2, kind: 'class-1', spacing: 'equal-mass' } as const;
    const counts = (p: number[]): number[] => reliability(p, [1, 1, 1, 1], options).map((bin) => bin.count);
    expect(counts([0.6, 0.9, 0.9, 0.9])).toEqual([1, 3]);
    expect(counts([0.6, 0.6, 0.6, 0.9])).toEqual([3, 1]);
    expect(counts([0.6, 0.7, 0.7, 0.9])).toEqual([1, 3]);
  });

  test('equal confidences make one bin', () => {
    const options = { bins: 5, kind: 'class-1', spacing: 'equal-mass' } as const;
    expect(reliability([0.75, 0.75, 0.75, 0.75], [1, 1, 1, 0], options)).toEqual([
      { lower: 0.75, upper: 0.75, count: 4, confidence: 0.75, frequency: 0.75 },
    ]);
    expect(expectedCalibrationError([0.75, 0.75, 0.75, 0.75], [1, 1, 1, 0], options)).toBe(0);
  });
});

test('0 when the confidence equals the frequency in every bin, between 0 and 1 always, and at most the maximum', () => {
  const p = [0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75, 0.5, 0.5];
  const y = [1, 0, 0, 0, 1, 1, 1, 0, 1, 0];
  for (const kind of ['top-label', 'class-1'] as const) {
    for (const spacing of ['equal-width', 'equal-mass'] as const) {
      expect(expectedCalibrationError(p, y, { bins: 4, kind, spacing })).toBe(0);
    }
  }
  forAll(
    [samples, binCounts, kinds, fc.constantFrom('equal-width', 'equal-mass')],
    ({ p: q, y: z }, bins, kind, spacing) => {
      const ece = expectedCalibrationError(q, z, { bins, kind, spacing });
      const mce = maximumCalibrationError(q, z, { bins, kind, spacing });
      expect(ece).toBeGreaterThanOrEqual(0);
      expect(ece).toBeLessThanOrEqual(mce + 1e-12);
      expect(mce).toBeLessThanOrEqual(1);
    },
  );
});

test.each([
  [
    'option',
    () => reliability([0.5], [1], { bins: 1.5 }),
    'reliability: bins must be an integer of at least 1; got 1.5',
  ],
  [
    'option',
    () => expectedCalibrationError([0.5], [1], { kind: 'all' as 'class-1' }),
    `expectedCalibrationError: kind must be 'top-label' or 'class-1'; got "all"`,
  ],
  [
    'option',
    () => maximumCalibrationError([0.5], [1], { spacing: 'log' as 'equal-mass' }),
    `maximumCalibrationError: spacing must be 'equal-width' or 'equal-mass'; got "log"`,
  ],
  ['option', () => reliability([0.5], [1], { threshold: -1 }), 'reliability: threshold must be in [0, 1]; got -1'],
  ['data', () => reliability([], []), 'reliability: there is no example to evaluate'],
  ['data', () => reliability([-0.1], [1]), 'reliability: probabilities[0] must be in [0, 1]; got -0.1'],
  ['shape', () => reliability([0.5, 0.5], [1]), 'reliability: probabilities must be of length 1; got length 2'],
] as const)('%s error, case %#', (code, call, message) => {
  let thrown: unknown;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  expect(isTsrlError(thrown, code)).toBe(true);
  expect((thrown as Error).message).toBe(message);
});
