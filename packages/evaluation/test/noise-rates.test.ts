import { isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anchoredNoiseRates, confidentNoiseRates, trustedNoiseRates } from '../src/index.ts';

const bit = fc.constantFrom<0 | 1>(0, 1);
/** Multiples of 1/1024: 1 − p is exact, and ties happen. */
const dyadic = fc.integer({ min: 0, max: 1024 }).map((k) => k / 1024);
const close = (actual: readonly number[], expected: readonly number[]): void => {
  expect(maxError(actual, expected, { absolute: 1e-12, relative: 1e-12 })).toBeLessThanOrEqual(1);
};
/** What it returns, or the message of the error that says why not. */
function orMessage<T>(call: () => T): T | string {
  try {
    return call();
  } catch (error) {
    if (!isTsrlError(error, 'data')) throw error;
    return error.message;
  }
}

describe('trustedNoiseRates', () => {
  test('shares of wrong labels, or of wrong probability', () => {
    const trusted = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1];
    const observed = [0, 1, 0, 0, 1, 1, 0, 1, 0, 1];
    const { falsePositive, falseNegative, prior } = trustedNoiseRates({ trusted, observed });
    close([falsePositive, falseNegative, prior], [1 / 4, 1 / 3, 0.6]);
    const gold = trustedNoiseRates({ trusted: [1, 0, 1], observed: [0.9, 0.25, 0.5] });
    close([gold.falsePositive, gold.falseNegative, gold.prior], [0.25, 0.3, 2 / 3]);
  });

  test('against a loop; swapping the classes swaps the rates', () => {
    const rows = fc.array(fc.tuple(bit, dyadic), { minLength: 2, maxLength: 40 });
    forAll([rows], (examples) => {
      const trusted = examples.map(([y]) => y);
      const observed = examples.map(([, p]) => p);
      const [zeros, ones] = [0, 1].map((c) => examples.filter(([y]) => y === c)) as [typeof examples, typeof examples];
      fc.pre(zeros.length > 0 && ones.length > 0);
      const e0 = zeros.reduce((sum, [, p]) => sum + p, 0) / zeros.length;
      const e1 = 1 - ones.reduce((sum, [, p]) => sum + p, 0) / ones.length;
      fc.pre(Math.abs(e0 + e1 - 1) > 1e-9);
      const result = orMessage(() => trustedNoiseRates({ trusted, observed }));
      if (e0 + e1 > 1) {
        expect(result).toContain('must sum to less than 1');
        return;
      }
      if (typeof result === 'string') throw new Error(result);
      close([result.falsePositive, result.falseNegative, result.prior], [e0, e1, ones.length / examples.length]);
      const swapped = trustedNoiseRates({ trusted: trusted.map((y) => 1 - y), observed: observed.map((p) => 1 - p) });
      close([swapped.falseNegative, swapped.falsePositive, swapped.prior], [e0, e1, zeros.length / examples.length]);
    });
  });
});

/** Equations 1 to 3 of arXiv:1911.00068 as loops over any number of classes. */
function confidentLearning(labels: readonly number[], probabilities: readonly (readonly number[])[]) {
  const classes = [0, 1];
  const thresholds = classes.map((j) => {
    const own = probabilities.filter((_, i) => labels[i] === j).map((p) => p[j] as number);
    return own.reduce((a, b) => a + b, 0) / own.length;
  });
  const counts = classes.map(() => classes.map(() => 0));
  labels.forEach((label, i) => {
    const p = probabilities[i] as readonly number[];
    const likely = classes
      .filter((j) => (p[j] as number) >= (thresholds[j] as number))
      .sort((a, b) => (p[b] as number) - (p[a] as number) || Number(b === label) - Number(a === label));
    if (likely[0] !== undefined) (counts[label] as number[])[likely[0]] = (counts[label]?.[likely[0]] ?? 0) + 1;
  });
  const joint = counts.map((row, i) => {
    const total = row.reduce((a, b) => a + b);
    return row.map((n) => ((n / total) * labels.filter((label) => label === i).length) / labels.length);
  });
  const columns = classes.map((j) => joint.reduce((sum, row) => sum + (row[j] as number), 0));
  return { thresholds, counts, joint, columns };
}

describe('confidentNoiseRates', () => {
  const rows = fc.array(fc.tuple(bit, dyadic), { minLength: 2, maxLength: 60 });
  const few = fc.array(fc.tuple(bit, fc.constantFrom(0.25, 0.5, 0.75)), { minLength: 2, maxLength: 12 });

  test('against loops, with ties', () => {
    forAll([fc.oneof(rows, few)], (examples) => {
      const labels = examples.map(([y]) => y);
      fc.pre(labels.includes(0) && labels.includes(1));
      const probabilities = examples.map(([, p]) => p);
      const expected = confidentLearning(
        labels,
        probabilities.map((p) => [1 - p, p]),
      );
      const result = orMessage(() => confidentNoiseRates({ labels, probabilities }));
      const [[, q01], [q10]] = expected.joint as [[number, number], [number, number]];
      const [n0, n1] = expected.columns as [number, number];
      if (n0 === 0 || n1 === 0) {
        expect(result).toBe(
          `confidentNoiseRates: no example is confidently of class ${n0 === 0 ? 0 : 1}, so its noise rate is unknown`,
        );
        return;
      }
      const [e0, e1] = [q10 / n0, q01 / n1];
      fc.pre(Math.abs(e0 + e1 - 1) > 1e-9);
      if (e0 + e1 > 1) {
        expect(result).toContain('must sum to less than 1');
        return;
      }
      if (typeof result === 'string') throw new Error(result);
      expect(result.counts).toEqual(expected.counts);
      close(result.thresholds, expected.thresholds);
      close(result.joint.flat(), expected.joint.flat());
      close([result.falsePositive, result.falseNegative, result.prior], [e0, e1, n1]);
      // The calibrated counts have the observed shares as their margins.
      const ones = labels.filter((y) => y === 1).length / labels.length;
      close([result.joint[1][0] + result.joint[1][1], result.joint.flat().reduce((a, b) => a + b)], [ones, 1]);
    });
  });

  test('swapping the classes swaps the rates; the order of the examples does not matter', () => {
    forAll([rows, fc.integer({ min: 0, max: 59 })], (examples, by) => {
      const labels = examples.map(([y]) => y);
      fc.pre(labels.includes(0) && labels.includes(1));
      const probabilities = examples.map(([, p]) => p);
      const here = orMessage(() => confidentNoiseRates({ labels, probabilities }));
      const mirror = { labels: labels.map((y) => 1 - y), probabilities: probabilities.map((p) => 1 - p) };
      const there = orMessage(() => confidentNoiseRates(mirror));
      const turn = <T>(values: readonly T[]): T[] => [...values.slice(by), ...values.slice(0, by)];
      const turned = orMessage(() => confidentNoiseRates({ labels: turn(labels), probabilities: turn(probabilities) }));
      if (typeof here === 'string' || typeof there === 'string' || typeof turned === 'string') {
        expect([typeof here, typeof there, typeof turned]).toEqual(['string', 'string', 'string']);
        return;
      }
      close(
        [there.falseNegative, there.falsePositive, 1 - there.prior],
        [here.falsePositive, here.falseNegative, here.prior],
      );
      expect(turned).toEqual(here);
    });
  });

  test('is exact for classes that do not overlap and the probabilities of the observed labels', () => {
    const size = fc.integer({ min: 1, max: 40 });
    forAll([size, size, size, size], (right0, wrong0, right1, wrong1) => {
      const e0 = wrong0 / (right0 + wrong0);
      const e1 = wrong1 / (right1 + wrong1);
      fc.pre(e0 + e1 < 1 - 1e-9);
      const cell = (n: number, label: number, p: number) => Array.from({ length: n }, () => [label, p] as const);
      const examples = [
        ...cell(right0, 0, e0),
        ...cell(wrong0, 1, e0),
        ...cell(right1, 1, 1 - e1),
        ...cell(wrong1, 0, 1 - e1),
      ];
      const result = confidentNoiseRates({
        labels: examples.map(([label]) => label),
        probabilities: examples.map(([, p]) => p),
      });
      const prior = (right1 + wrong1) / examples.length;
      close([result.falsePositive, result.falseNegative, result.prior], [e0, e1, prior]);
      expect(result.counts).toEqual([
        [right0, wrong1],
        [wrong0, right1],
      ]);
    });
  });

  test('cleanlab 2.9.0 (compute_confident_joint, estimate_joint) finds the same', () => {
    const labels = [0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0];
    const probabilities = [
      0.29, 0.68, 0.69, 0.74, 0.37, 0.38, 0.31, 0.34, 0.43, 0.52, 0.28, 0.77, 0.5, 0.75, 0.37, 0.67, 0.52, 0.59, 0.78,
      0.5, 0.73, 0.56, 0.35, 0.42, 0.28, 0.73, 0.39, 0.42, 0.29, 0.31,
    ];
    const result = confidentNoiseRates({ labels, probabilities });
    expect(result.counts).toEqual([
      [12, 2],
      [2, 7],
    ]);
    // cleanlab rounds the calibrated counts to whole numbers.
    expect(result.joint.flat().map((share) => Math.round(share * labels.length))).toEqual([16, 3, 2, 9]);
  });

  test('a class whose probabilities are all equal is confident of itself, whatever their mean rounds to', () => {
    expect((0.05 + 0.05 + 0.05) / 3).toBeGreaterThan(0.05);
    const { counts } = confidentNoiseRates({ labels: [1, 1, 1, 0, 0], probabilities: [0.05, 0.05, 0.05, 0.02, 0.04] });
    // Below their own mean, the three would be confident of nothing, and the row of class 1 empty.
    expect(counts).toEqual([
      [1, 0],
      [0, 3],
    ]);
  });
});

describe('anchoredNoiseRates', () => {
  const rows = fc.array(fc.tuple(bit, dyadic), { minLength: 2, maxLength: 60 });
  const few = fc.array(fc.tuple(bit, fc.constantFrom(0.25, 0.5, 0.75)), { minLength: 2, maxLength: 12 });
  const anchors = fc.record({
    share: fc.double({ min: 0.01, max: 1, noNaN: true }),
    least: fc.integer({ min: 1, max: 80 }),
  });

  /** The mean label of the first k: every example of the k-th probability counts with the same part. */
  function meanOfFirst(k: number, examples: readonly (readonly [number, number])[]): number {
    const last = examples[k - 1]![1];
    const parts = examples.map(([, p], place) => (p === last ? undefined : place < k ? 1 : 0));
    const tied = parts.filter((part) => part === undefined).length;
    const left = k - parts.filter((part) => part === 1).length;
    return examples.reduce((sum, [y], i) => sum + y * (parts[i] ?? left / tied), 0) / k;
  }

  test('against loops, with ties', () => {
    forAll([fc.oneof(rows, few), anchors], (examples, options) => {
      const [labels, probabilities] = [examples.map(([y]) => y), examples.map(([, p]) => p)];
      const ones = labels.filter((y) => y === 1).length;
      fc.pre(ones > 0 && ones < labels.length);
      const sure = (of: number): number => Math.min(of, Math.max(options.least, Math.round(options.share * of)));
      const rising = [...examples].sort(([, a], [, b]) => a - b);
      const e0 = meanOfFirst(sure(labels.length - ones), rising);
      const e1 = 1 - meanOfFirst(sure(ones), rising.reverse());
      fc.pre(Math.abs(e0 + e1 - 1) > 1e-9);
      const result = orMessage(() => anchoredNoiseRates({ labels, probabilities }, options));
      if (e0 + e1 > 1) {
        expect(result).toContain('must sum to less than 1');
        return;
      }
      const prior = (ones / labels.length - e0) / (1 - e0 - e1);
      fc.pre(Math.abs(prior) > 1e-9 && Math.abs(prior - 1) > 1e-9);
      if (prior < 0 || prior > 1) {
        expect(result).toContain(`no example would be of class ${prior < 0 ? 1 : 0}`);
        return;
      }
      if (typeof result === 'string') throw new Error(result);
      close([result.falsePositive, result.falseNegative], [e0, e1]);
      expect(Math.abs(result.prior - prior)).toBeLessThan(1e-9 / (1 - e0 - e1));
    });
  });

  test('only the order of the probabilities counts, not that of the examples; swapping the classes swaps the rates', () => {
    forAll([rows, anchors, fc.integer({ min: 0, max: 59 })], (examples, options, by) => {
      const labels = examples.map(([y]) => y);
      fc.pre(labels.includes(0) && labels.includes(1));
      const probabilities = examples.map(([, p]) => p);
      const turn = <T>(values: readonly T[]): T[] => [...values.slice(by), ...values.slice(0, by)];
      const ways = [
        { labels, probabilities },
        { labels, probabilities: probabilities.map((p) => p ** 3 / 2) },
        { labels: turn(labels), probabilities: turn(probabilities) },
        { labels: labels.map((y) => 1 - y), probabilities: probabilities.map((p) => 1 - p) },
      ];
      const [here, bent, turned, there] = ways.map((way) => orMessage(() => anchoredNoiseRates(way, options)));
      expect(bent).toEqual(here);
      if (typeof here !== 'object' || typeof turned !== 'object' || typeof there !== 'object') {
        expect([typeof turned, typeof there]).toEqual([typeof here, typeof here]);
        return;
      }
      close([turned.falsePositive, turned.falseNegative], [here.falsePositive, here.falseNegative]);
      close([there.falseNegative, there.falsePositive], [here.falsePositive, here.falseNegative]);
    });
  });

  test('is exact where the surest examples are of their class, however the others overlap', () => {
    const sure = fc.integer({ min: 1, max: 8 });
    const unsure = fc.array(fc.tuple(bit, fc.double({ min: 0.3, max: 0.7, noNaN: true })), { maxLength: 30 });
    forAll([sure, sure, sure, sure, unsure], (right0, wrong0, right1, wrong1, between) => {
      fc.pre(wrong0 / (right0 + wrong0) + wrong1 / (right1 + wrong1) < 1 - 1e-9);
      const cell = (n: number, label: number, p: number) => Array.from({ length: n }, () => [label, p] as const);
      const examples = [
        ...cell(right0, 0, 0.01),
        ...cell(wrong0, 1, 0.01),
        ...cell(right1, 1, 0.99),
        ...cell(wrong1, 0, 0.99),
        ...between,
      ];
      const labels = examples.map(([label]) => label);
      const probabilities = examples.map(([, p]) => p);
      const ones = labels.reduce((sum, y) => sum + y, 0) / labels.length;
      fc.pre(ones - wrong0 / (right0 + wrong0) > 1e-9 && 1 - ones - wrong1 / (right1 + wrong1) > 1e-9); // else no class 1, or 0, is left
      // Fewer anchors than sure examples: of equal probabilities each counts with its part, and the shares stay the same.
      const result = anchoredNoiseRates({ labels, probabilities }, { share: 1e-3, least: 2 });
      close([result.falsePositive, result.falseNegative], [wrong0 / (right0 + wrong0), wrong1 / (right1 + wrong1)]);
    });
  });

  test('clean labels and a perfect judge: no noise, however few examples a class has', () => {
    const size = fc.integer({ min: 1, max: 300 });
    forAll([size, size], (zeros, ones) => {
      const labels = Array.from({ length: zeros + ones }, (_, i) => (i < zeros ? 0 : 1));
      const probabilities = labels.map((y, i) => (y + i / (zeros + ones)) / 2);
      const { falsePositive, falseNegative, prior } = anchoredNoiseRates({ labels, probabilities });
      expect([falsePositive, falseNegative]).toEqual([0, 0]);
      expect(prior).toBeCloseTo(ones / (zeros + ones), 12);
    });
  });

  test('a judge that knows nothing: no rates', () => {
    const size = fc.integer({ min: 1, max: 300 });
    forAll([size, size], (zeros, ones) => {
      const labels = Array.from({ length: zeros + ones }, (_, i) => (i < zeros ? 0 : 1));
      const probabilities = labels.map(() => ones / (zeros + ones));
      expect(() => anchoredNoiseRates({ labels, probabilities })).toThrow('must sum to less than 1');
    });
  });

  test('classes that overlap: nearer to the truth than confident counts', () => {
    // 4,000 points of two normal classes, 1 in 4 of class 1; probabilities as a model of the observed labels would give.
    const count = 4000;
    const e = { falsePositive: 0.1, falseNegative: 0.3 };
    const examples = Array.from({ length: count }, (_, i) => {
      const truth = i % 4 === 0 ? 1 : 0;
      const z = 3 * (((i * 0.618_033_988_75) % 1) + ((i * 0.754_877_666_25) % 1) - 1) + (truth ? 1.5 : 0);
      const p = 1 / (1 + 3 * Math.exp(-2 * (z - 0.75)));
      const coin = (i * 0.569_840_290_998) % 1;
      const wrong = coin < (truth ? e.falseNegative : e.falsePositive);
      return { label: wrong ? 1 - truth : truth, p: e.falsePositive + (1 - e.falsePositive - e.falseNegative) * p };
    });
    const data = { labels: examples.map(({ label }) => label), probabilities: examples.map(({ p }) => p) };
    const far = (found: { falsePositive: number; falseNegative: number }): number =>
      Math.abs(found.falsePositive - e.falsePositive) + Math.abs(found.falseNegative - e.falseNegative);
    expect(far(anchoredNoiseRates(data))).toBeLessThan(0.05);
    expect(far(confidentNoiseRates(data))).toBeGreaterThan(2 * far(anchoredNoiseRates(data)));
  });
});

describe('errors', () => {
  test.each([
    [
      'data',
      () => trustedNoiseRates({ trusted: [], observed: [] }),
      'trustedNoiseRates: there is no trusted example of class 0',
    ],
    [
      'data',
      () => trustedNoiseRates({ trusted: [1, 1], observed: [1, 0] }),
      'trustedNoiseRates: there is no trusted example of class 0',
    ],
    [
      'data',
      () => trustedNoiseRates({ trusted: [0], observed: [0] }),
      'trustedNoiseRates: there is no trusted example of class 1',
    ],
    [
      'data',
      () => trustedNoiseRates({ trusted: [0, 2], observed: [0, 1] }),
      'trustedNoiseRates: trusted[1] must be 0 or 1; got 2',
    ],
    [
      'data',
      () => trustedNoiseRates({ trusted: [0, 1], observed: [0, 1.5] }),
      'trustedNoiseRates: observed[1] must be in [0, 1]; got 1.5',
    ],
    [
      'shape',
      () => trustedNoiseRates({ trusted: [0, 1], observed: [0] }),
      'trustedNoiseRates: observed must be of length 2; got length 1',
    ],
    [
      'data',
      () => trustedNoiseRates({ trusted: [0, 1], observed: [0.7, 0.6] }),
      'trustedNoiseRates: the rates of false positives and false negatives must sum to less than 1; got 0.700 and 0.400, so the labels say nothing of the true ones, or the opposite',
    ],
    [
      'option',
      () => anchoredNoiseRates({ labels: [0, 1], probabilities: [0, 1] }, { share: 0 }),
      'anchoredNoiseRates: share must be in (0, 1]; got 0',
    ],
    [
      'option',
      () => anchoredNoiseRates({ labels: [0, 1], probabilities: [0, 1] }, { least: 1.5 }),
      'anchoredNoiseRates: least must be a whole number of at least 1; got 1.5',
    ],
    [
      'data',
      () => anchoredNoiseRates({ labels: [0, 0], probabilities: [0, 1] }),
      'anchoredNoiseRates: there is no example of the observed class 1',
    ],
    [
      'data',
      () => anchoredNoiseRates({ labels: [0, 1], probabilities: [0, -1] }),
      'anchoredNoiseRates: probabilities[1] must be in [0, 1]; got -1',
    ],
    [
      'data',
      () =>
        anchoredNoiseRates(
          { labels: [1, 0, 0, 0, 1, 1, 1, 1], probabilities: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8] },
          { share: 0.01, least: 1 },
        ),
      'anchoredNoiseRates: the rates of false positives and false negatives must sum to less than 1; got 1.00 and 0.00, so the labels say nothing of the true ones, or the opposite',
    ],
    [
      'data',
      () =>
        anchoredNoiseRates(
          { labels: [1, 0, 0, 0, 0, 0, 0, 1], probabilities: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8] },
          { share: 0.01, least: 2 },
        ),
      'anchoredNoiseRates: the rates of false positives and false negatives must sum to less than 1; got 0.500 and 0.500, so the labels say nothing of the true ones, or the opposite',
    ],
    [
      'data',
      () =>
        anchoredNoiseRates(
          { labels: [1, 0, 0, 0, 0, 0, 1, 1], probabilities: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8] },
          { share: 0.01, least: 2 },
        ),
      'anchoredNoiseRates: no example would be of class 1, with rates of false positives and negatives of 0.500 and 0.00',
    ],
    [
      'data',
      () => anchoredNoiseRates({ labels: [0, 0, 1, 1], probabilities: [0.9, 0.8, 0.1, 0.3] }, { least: 2 }),
      'anchoredNoiseRates: the rates of false positives and false negatives must sum to less than 1; got 1.00 and 1.00, so the labels say nothing of the true ones, or the opposite',
    ],
    [
      'data',
      () => confidentNoiseRates({ labels: [], probabilities: [] }),
      'confidentNoiseRates: there is no example to evaluate',
    ],
    [
      'data',
      () => confidentNoiseRates({ labels: [0, 0], probabilities: [0, 1] }),
      'confidentNoiseRates: there is no example of the observed class 1',
    ],
    [
      'data',
      () => confidentNoiseRates({ labels: [1], probabilities: [1] }),
      'confidentNoiseRates: there is no example of the observed class 0',
    ],
    [
      'data',
      () => confidentNoiseRates({ labels: [0, 1], probabilities: [0, -1] }),
      'confidentNoiseRates: probabilities[1] must be in [0, 1]; got -1',
    ],
    [
      'shape',
      () => confidentNoiseRates({ labels: [0, 1], probabilities: [0] }),
      'confidentNoiseRates: probabilities must be of length 2; got length 1',
    ],
    [
      'data',
      () => confidentNoiseRates({ labels: [0, 1], probabilities: [0.3, 0.3] }),
      'confidentNoiseRates: no example is confidently of class 1, so its noise rate is unknown',
    ],
    [
      'data',
      () => confidentNoiseRates({ labels: [0, 0, 0, 1, 1, 1], probabilities: [0.6, 0.6, 0.2, 0.4, 0.4, 0.8] }),
      'confidentNoiseRates: the rates of false positives and false negatives must sum to less than 1',
    ],
  ] as const)('%s, case %#', (code, call, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect(isTsrlError(thrown, code)).toBe(true);
    expect((thrown as Error).message).toContain(message);
  });
});
