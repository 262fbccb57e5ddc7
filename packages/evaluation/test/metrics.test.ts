import { isTsrlError, type Json, sigmoid } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  auroc,
  averagePrecision,
  type BinaryMetrics,
  binaryMetrics,
  binaryMetricsOfProbabilities,
  chooseThreshold,
  confusion,
  expectFinite,
  rocCurve,
  temperature,
} from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-12 };
const ten = { absolute: 6e-11, relative: 0 };
const label = fc.constantFrom(0, 1);
/** Few distinct values, so that ties are common; multiples of 1/8, so that 1 − p is exact. */
const coarse = fc.integer({ min: 0, max: 8 }).map((k) => k / 8);
const fine = fc.double({ min: 0, max: 1, noNaN: true });
const samples = (score: fc.Arbitrary<number>): fc.Arbitrary<{ p: number[]; y: number[] }> =>
  fc
    .array(fc.tuple(score, label), { minLength: 1, maxLength: 30 })
    .map((pairs) => ({ p: pairs.map(([s]) => s), y: pairs.map(([, l]) => l) }));
const any = samples(fc.oneof(coarse, fine));
const thresholds = fc.oneof(coarse, fine);

const count = (y: readonly number[], value: number): number => y.filter((l) => l === value).length;

/** Every pair of a positive and a negative, O(n²). */
function aurocOracle(s: readonly number[], y: readonly number[]): number | null {
  let wins = 0;
  let pairs = 0;
  s.forEach((a, i) => {
    s.forEach((b, j) => {
      if (y[i] !== 1 || y[j] !== 0) return;
      pairs += 1;
      if (a > b) wins += 1;
      if (a === b) wins += 0.5;
    });
  });
  return pairs === 0 ? null : wins / pairs;
}

/** The Mann-Whitney form with average ranks, as the specification writes it. */
function rankOracle(s: readonly number[], y: readonly number[]): number {
  const rank = (x: number): number => s.filter((v) => v < x).length + (s.filter((v) => v === x).length + 1) / 2;
  const n1 = count(y, 1);
  const sum = s.reduce((total, x, i) => total + (y[i] === 1 ? rank(x) : 0), 0);
  return (sum - (n1 * (n1 + 1)) / 2) / (n1 * (y.length - n1));
}

/** Precision and recall recounted at every distinct threshold, O(n²). */
function averagePrecisionOracle(s: readonly number[], y: readonly number[]): number | null {
  const n1 = count(y, 1);
  if (n1 === 0) return null;
  let area = 0;
  let before = 0;
  for (const t of [...new Set(s)].sort((a, b) => b - a)) {
    const called = y.filter((_, i) => (s[i] as number) >= t);
    const recall = count(called, 1) / n1;
    area += ((recall - before) * count(called, 1)) / called.length;
    before = recall;
  }
  return area;
}

const golden = { p: [0.9, 0.8, 0.8, 0.4, 0.3, 0.1], y: [1, 1, 0, 1, 0, 0] };

describe('golden values of the specification', () => {
  test('from probabilities', () => {
    const m = binaryMetricsOfProbabilities({ probabilities: golden.p, labels: golden.y }, { bins: 10 });
    expect(m.confusion).toEqual([
      [2, 1],
      [1, 2],
    ]);
    const twoThirds = [m.accuracy, m.balancedAccuracy, m.precision, m.recall, m.f1, m.sensitivity, m.specificity];
    expect(
      maxError(
        twoThirds.map(Number),
        Array.from({ length: 7 }, () => 2 / 3),
        tight,
      ),
    ).toBeLessThanOrEqual(1);
    expect(maxError([m.macroF1, m.mcc, Number(m.auroc)], [2 / 3, 1 / 3, 5 / 6], tight)).toBeLessThanOrEqual(1);
    const rest = [Number(m.averagePrecision), m.brier, Number(m.nll), m.ece];
    const expected = [0.8055555556, 0.1916666667, 0.5527113618, 0.2833333333];
    expect(maxError(rest, expected, ten)).toBeLessThanOrEqual(1);
    expect(m).toMatchObject({ n: 6, positives: 3, threshold: 0.5, undefinedMetrics: [] });
    expect(m.mce).toBeCloseTo(0.6, 12);
  });

  test('from logits, the same', () => {
    const logits = golden.p.map((p) => Math.log(p / (1 - p)));
    const a = binaryMetrics({ logits, labels: golden.y }, { bins: 10 });
    const b = binaryMetricsOfProbabilities({ probabilities: golden.p, labels: golden.y }, { bins: 10 });
    for (const [key, value] of Object.entries(b)) {
      if (typeof value === 'number') expect(a[key as keyof BinaryMetrics]).toBeCloseTo(value, 12);
      else expect(a[key as keyof BinaryMetrics]).toEqual(value);
    }
  });
});

describe('binaryMetrics', () => {
  test('every number from its definition', () => {
    forAll([any, thresholds], ({ p, y }, threshold) => {
      const m = binaryMetricsOfProbabilities({ probabilities: p, labels: y }, { threshold });
      let [tn, fp, fn, tp] = [0, 0, 0, 0];
      p.forEach((x, i) => {
        if (x >= threshold) y[i] === 1 ? tp++ : fp++;
        else y[i] === 1 ? fn++ : tn++;
      });
      const or = (value: number, convention: number): number => (Number.isNaN(value) ? convention : value);
      const f = (a: number, b: number, c: number): number => or((2 * a) / (2 * a + b + c), 0);
      const root = Math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn));
      const expected = {
        n: y.length,
        positives: count(y, 1),
        threshold,
        accuracy: (tp + tn) / y.length,
        precision: or(tp / (tp + fp), 0),
        recall: or(tp / (tp + fn), 0),
        f1: f(tp, fp, fn),
        macroF1: (f(tp, fp, fn) + f(tn, fn, fp)) / 2,
        mcc: root === 0 ? 0 : (tp * tn - fp * fn) / root,
        brier: p.reduce((s, x, i) => s + (x - (y[i] as number)) ** 2, 0) / y.length,
      };
      for (const [name, value] of Object.entries(expected)) {
        const actual = Number(m[name as keyof BinaryMetrics]);
        expect([name, maxError([actual], [value], tight) <= 1]).toEqual([name, true]);
      }
      expect(m.confusion).toEqual([
        [tn, fp],
        [fn, tp],
      ]);
      expect(confusion(p, y, { threshold })).toEqual(m.confusion);
      const tpr = tp + fn === 0 ? null : tp / (tp + fn);
      const tnr = tn + fp === 0 ? null : tn / (tn + fp);
      expect([m.sensitivity, m.specificity]).toEqual([tpr, tnr]);
      expect(m.balancedAccuracy).toBeCloseTo(((tpr ?? tnr ?? 0) + (tnr ?? tpr ?? 0)) / 2, 12);
      expect([m.auroc, m.averagePrecision]).toEqual([auroc(p, y), averagePrecision(p, y)]);
      const flags: Record<string, boolean> = {
        balancedAccuracy: tpr === null || tnr === null,
        sensitivity: tpr === null,
        specificity: tnr === null,
        precision: tp + fp === 0,
        recall: tpr === null,
        f1: tp + fp + fn === 0,
        macroF1: tp + fp + fn === 0 || tn + fp + fn === 0,
        mcc: root === 0,
        auroc: tpr === null || tnr === null,
        averagePrecision: tpr === null,
        nll: p.some((x, i) => x === 1 - (y[i] as number)),
      };
      expect(m.undefinedMetrics).toEqual(Object.keys(flags).filter((name) => flags[name]));
      const bits = p.map((x, i) => -Math.log(y[i] === 1 ? x : 1 - x));
      if (flags['nll']) expect(m.nll).toBeNull();
      // log(1 − p) of the oracle has lost what log1p keeps: 1e-16 / (1 − p) at most.
      else if (p.every((x) => x < 1 - 1e-6)) {
        const mean = bits.reduce((a, b) => a + b, 0) / y.length;
        expect(maxError([Number(m.nll)], [mean], { absolute: 1e-9, relative: 1e-9 })).toBeLessThanOrEqual(1);
      }
    });
  });

  test('is plain JSON', () => {
    expectTypeOf<BinaryMetrics>().toExtend<Json>();
    forAll([any, thresholds], ({ p, y }, threshold) => {
      const m = binaryMetricsOfProbabilities({ probabilities: p, labels: y }, { threshold });
      expect(JSON.parse(JSON.stringify(m))).toStrictEqual(m);
    });
  });

  test('logits: threshold, likelihood and ranking hold where probabilities saturate', () => {
    const m = binaryMetrics({ logits: [800, 900, -1000, 40, 50], labels: [0, 1, 0, 0, 1] });
    expect(m.nll).toBeCloseTo((800 + 40) / 5, 10);
    expect(m.auroc).toBe(5 / 6);
    expect(m.undefinedMetrics).toEqual([]);
    expect(binaryMetrics({ logits: [0, -1e-9], labels: [1, 0] }).confusion).toEqual([
      [1, 0],
      [0, 1],
    ]);
    forAll(
      [fc.array(fc.tuple(fc.double({ min: -20, max: 20, noNaN: true }), label), { minLength: 1, maxLength: 20 })],
      (pairs) => {
        const logits = pairs.map(([z]) => z);
        const labels = pairs.map(([, l]) => l);
        const nll =
          logits.reduce((s, z, i) => s + Math.log(1 + Math.exp(z)) - (labels[i] as number) * z, 0) / labels.length;
        expect(binaryMetrics({ logits, labels }).nll).toBeCloseTo(nll, 7);
      },
    );
  });

  test('probabilities: the likelihood keeps its digits near certainty', () => {
    expect(binaryMetricsOfProbabilities({ probabilities: [1e-20], labels: [0] }).nll).toBe(1e-20);
    expect(binaryMetricsOfProbabilities({ probabilities: [1e-20], labels: [1] }).nll).toBeCloseTo(20 * Math.LN10, 12);
  });

  test('swapping the classes leaves accuracy, balanced accuracy, macro-F1, MCC, AUROC, Brier and NLL', () => {
    // Away from the threshold: p ≥ 1/2 becomes 1 − p ≤ 1/2, which predicts the same only off 1/2.
    forAll([samples(coarse.filter((p) => p !== 0.5))], ({ p, y }) => {
      const a = binaryMetricsOfProbabilities({ probabilities: p, labels: y });
      const b = binaryMetricsOfProbabilities({ probabilities: p.map((x) => 1 - x), labels: y.map((l) => 1 - l) });
      const pick = (m: BinaryMetrics): number[] =>
        [m.accuracy, m.balancedAccuracy, m.macroF1, m.mcc, m.auroc, m.brier, m.nll, m.ece].map((x) => x ?? -1);
      expect(maxError(pick(b), pick(a), tight)).toBeLessThanOrEqual(1);
      expect([b.sensitivity, b.specificity]).toEqual([a.specificity, a.sensitivity]);
    });
  });

  test('is indifferent to the order of the examples', () => {
    forAll([any], ({ p, y }) => {
      const a = binaryMetricsOfProbabilities({ probabilities: p, labels: y });
      const b = binaryMetricsOfProbabilities({ probabilities: p.toReversed(), labels: y.toReversed() });
      for (const [key, value] of Object.entries(a)) {
        if (typeof value === 'number') expect(b[key as keyof BinaryMetrics]).toBeCloseTo(value, 12);
        else expect(b[key as keyof BinaryMetrics]).toEqual(value);
      }
    });
  });

  test('Brier is at most 0.25 for a constant 0.5; perfect and inverted predictions reach the ends', () => {
    const y = [0, 1, 1, 0, 1];
    const at = (probabilities: number[]): BinaryMetrics => binaryMetricsOfProbabilities({ probabilities, labels: y });
    expect(at(y.map(() => 0.5)).brier).toBe(0.25);
    expect(at(y)).toMatchObject({
      accuracy: 1,
      f1: 1,
      mcc: 1,
      auroc: 1,
      averagePrecision: 1,
      brier: 0,
      nll: 0,
      ece: 0,
      mce: 0,
    });
    expect(at(y.map((l) => 1 - l))).toMatchObject({
      accuracy: 0,
      f1: 0,
      mcc: -1,
      auroc: 0,
      brier: 1,
      nll: null,
      ece: 1,
    });
  });

  test('one class only', () => {
    const m = binaryMetricsOfProbabilities({ probabilities: [0.9, 0.2, 0.6], labels: [1, 1, 1] });
    expect(m).toMatchObject({
      sensitivity: 2 / 3,
      specificity: null,
      balancedAccuracy: 2 / 3,
      auroc: null,
      averagePrecision: 1,
      mcc: 0,
    });
    expect(m.undefinedMetrics).toEqual(['balancedAccuracy', 'specificity', 'mcc', 'auroc']);
    const none = binaryMetricsOfProbabilities({ probabilities: [0.1, 0.2], labels: [0, 0] });
    expect(none).toMatchObject({
      sensitivity: null,
      recall: 0,
      precision: 0,
      f1: 0,
      macroF1: 0.5,
      averagePrecision: null,
      balancedAccuracy: 1,
    });
  });
});

describe('ranking', () => {
  test('AUROC and average precision are their O(n²) definitions, ties included', () => {
    forAll([any], ({ p, y }) => {
      expect(maxError([auroc(p, y) ?? -1], [aurocOracle(p, y) ?? -1], tight)).toBeLessThanOrEqual(1);
      if (auroc(p, y) !== null) expect(auroc(p, y)).toBeCloseTo(rankOracle(p, y), 12);
      expect(maxError([averagePrecision(p, y) ?? -1], [averagePrecisionOracle(p, y) ?? -1], tight)).toBeLessThanOrEqual(
        1,
      );
    });
  });

  test('invariant under increasing maps; AUROC(−s) = 1 − AUROC(s)', () => {
    forAll([samples(fc.integer({ min: -6, max: 6 }))], ({ p: s, y }) => {
      const mapped = s.map((x) => Math.exp(x) + 3 * x);
      expect(auroc(mapped, y)).toBe(auroc(s, y));
      expect(averagePrecision(mapped, y)).toBe(averagePrecision(s, y));
      const area = auroc(s, y);
      if (area !== null)
        expect(
          auroc(
            s.map((x) => -x),
            y,
          ),
        ).toBeCloseTo(1 - area, 12);
    });
  });

  test('equal scores give 1/2, perfect ones 1; average precision of equal scores is the prevalence', () => {
    expect(auroc([3, 3, 3], [0, 1, 1])).toBe(0.5);
    expect(averagePrecision([3, 3, 3], [0, 1, 1])).toBeCloseTo(2 / 3, 15);
    expect(auroc([-1, 0, 5], [0, 1, 1])).toBe(1);
    expect(auroc([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY], [0, 1])).toBe(1);
    expect(auroc([0, -0], [0, 1])).toBe(0.5);
    expect(auroc([1, 2], [1, 1])).toBeNull();
    expect(averagePrecision([1, 2], [0, 0])).toBeNull();
  });

  test('the ROC curve recounts both rates at each threshold, and its trapezoids are the AUROC', () => {
    forAll([any], ({ p, y }) => {
      const curve = rocCurve(p, y);
      if (curve === null) {
        expect(auroc(p, y)).toBeNull();
        return;
      }
      const { fpr, tpr, thresholds: cuts } = curve;
      expect([fpr[0], tpr[0], cuts[0], fpr.at(-1), tpr.at(-1)]).toEqual([0, 0, null, 1, 1]);
      expect(cuts.slice(1)).toEqual([...new Set(p)].sort((a, b) => b - a));
      let area = 0;
      cuts.forEach((t, k) => {
        if (t === null) return;
        const called = y.filter((_, i) => (p[i] as number) >= t);
        expect(tpr[k]).toBe(count(called, 1) / count(y, 1));
        expect(fpr[k]).toBe(count(called, 0) / count(y, 0));
        area += (((fpr[k] as number) - (fpr[k - 1] as number)) * ((tpr[k] as number) + (tpr[k - 1] as number))) / 2;
      });
      expect(area).toBeCloseTo(Number(auroc(p, y)), 12);
      expect(JSON.parse(JSON.stringify(curve))).toStrictEqual(curve);
    });
  });

  test('100 000 scores take one sort, not n² pairs', () => {
    const n = 100_000;
    const scores = Float64Array.from({ length: n }, (_, i) => (i * 7919) % n);
    const labels = scores.map((s) => (s >= n / 2 ? 1 : 0));
    expect(auroc(scores, labels)).toBe(1);
  });
});

describe('chooseThreshold', () => {
  test('no candidate has a better balanced accuracy, and no equally good one is closer to 0.5', () => {
    forAll([any], ({ p, y }) => {
      const sorted = [...new Set(p)].sort((a, b) => a - b);
      const middle = (low: number, high: number): number => {
        const half = low + (high - low) / 2;
        return half > low ? half : high; // neighbouring doubles have no middle
      };
      const candidates = [0.5, ...sorted.slice(1).map((high, i) => middle(sorted[i] as number, high))];
      const quality = (t: number): number => {
        const rates = [0, 1]
          .filter((c) => y.includes(c))
          .map((c) => {
            const of = p.filter((_, i) => y[i] === c);
            return of.filter((x) => (x >= t ? 1 : 0) === c).length / of.length;
          });
        return rates.reduce((a, b) => a + b, 0) / rates.length;
      };
      const chosen = chooseThreshold(p, y);
      for (const t of candidates) {
        expect(quality(chosen)).toBeGreaterThanOrEqual(quality(t) - 1e-12);
        if (Math.abs(quality(t) - quality(chosen)) < 1e-12) {
          expect(Math.abs(chosen - 0.5)).toBeLessThanOrEqual(Math.abs(t - 0.5) + 1e-15);
        }
      }
      expect(candidates.some((t) => Math.abs(t - chosen) < 1e-15)).toBe(true);
      const m = binaryMetricsOfProbabilities({ probabilities: p, labels: y }, { threshold: chosen });
      expect(m.balancedAccuracy).toBeCloseTo(quality(chosen), 12);
    });
  });

  test('known cases', () => {
    expect(chooseThreshold([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1])).toBe(0.25);
    expect(chooseThreshold([0.2, 0.8], [0, 1])).toBe(0.5);
    expect(chooseThreshold([0.7, 0.7], [0, 1])).toBe(0.5);
    expect(chooseThreshold([0.25, 0.5, 0.5, 0.75], [1, 0, 0, 1])).toBe(0.625);
    // Equally good at 0.34375 and 0.65625, as far from 0.5, which is worse: the smaller.
    expect(chooseThreshold([0.25, 0.4375, 0.5625, 0.75], [0, 1, 0, 1])).toBe(0.34375);
    const next = 0.1 + 2 ** -56; // no double lies between
    expect(
      binaryMetricsOfProbabilities(
        { probabilities: [0.1, next], labels: [0, 1] },
        { threshold: chooseThreshold([0.1, next], [0, 1]) },
      ).accuracy,
    ).toBe(1);
  });
});

describe('temperature', () => {
  test('finds the scale of overconfident logits, and leaves ranking and accuracy', () => {
    // Calibrated by construction: at each z, a share sigmoid(z) of 1000 labels is 1.
    const zs = [-2, -1, 0, 0.5, 1, 3];
    const logits = zs.flatMap((z) => Array.from({ length: 1000 }, () => 2.5 * z));
    const share = (z: number): number[] =>
      Array.from({ length: 1000 }, (_, i) => (i < Math.round(1000 * sigmoid(z)) ? 1 : 0));
    const labels = zs.flatMap(share);
    const t = temperature({ logits, labels });
    expect(t).toBeCloseTo(2.5, 2); // the shares are rounded to 1/1000
    const before = binaryMetrics({ logits, labels });
    const after = binaryMetrics({ logits: logits.map((z) => z / t), labels });
    expect(after.nll).toBeLessThan(Number(before.nll));
    expect(after.ece).toBeLessThan(0.002);
    expect([after.auroc, after.accuracy]).toEqual([before.auroc, before.accuracy]);
  });

  test('no temperature of a fine scan is better', () => {
    forAll(
      [fc.array(fc.tuple(fc.double({ min: -4, max: 4, noNaN: true }), label), { minLength: 1, maxLength: 12 })],
      (pairs) => {
        const logits = pairs.map(([z]) => z);
        const labels = pairs.map(([, l]) => l);
        const nll = (t: number): number => Number(binaryMetrics({ logits: logits.map((z) => z / t), labels }).nll);
        const best = nll(temperature({ logits, labels }));
        for (let k = 0; k <= 40; k++) expect(best).toBeLessThanOrEqual(nll(0.05 * 400 ** (k / 40)) + 1e-9);
      },
      { runs: 40 },
    );
  });

  test('separable data ends at the cold end, inverted data at the hot one', () => {
    expect(temperature({ logits: [-1, 1], labels: [0, 1] })).toBeCloseTo(0.05, 6);
    expect(temperature({ logits: [-1, 1], labels: [1, 0] })).toBeCloseTo(20, 5);
  });
});

describe('errors', () => {
  const y = [0, 1];
  const of =
    (probabilities: number[], labels: number[], options = {}) =>
    () =>
      binaryMetricsOfProbabilities({ probabilities, labels }, options);
  test.each([
    ['data', () => binaryMetrics({ logits: [], labels: [] }), 'binaryMetrics: there is no example to evaluate'],
    ['data', () => auroc([], []), 'auroc: there is no example to evaluate'],
    [
      'data',
      () => binaryMetrics({ logits: [1, Number.NaN], labels: y }),
      'binaryMetrics: logits[1] must be finite; got NaN',
    ],
    ['data', () => binaryMetrics({ logits: [1, 2], labels: [0, 2] }), 'binaryMetrics: labels[1] must be 0 or 1; got 2'],
    [
      'shape',
      () => binaryMetrics({ logits: [1], labels: y }),
      'binaryMetrics: logits must be of length 2; got length 1',
    ],
    ['data', of([0.5, 1.5], y), 'binaryMetricsOfProbabilities: probabilities[1] must be in [0, 1]; got 1.5'],
    ['data', of([Number.NaN, 1], y), 'binaryMetricsOfProbabilities: probabilities[0] must be in [0, 1]; got NaN'],
    ['option', of([0, 1], y, { threshold: 2 }), 'binaryMetricsOfProbabilities: threshold must be in [0, 1]; got 2'],
    [
      'option',
      of([0, 1], y, { bins: 0 }),
      'binaryMetricsOfProbabilities: bins must be an integer of at least 1; got 0',
    ],
    [
      'option',
      () => confusion([0, 1], y, { threshold: Number.NaN }),
      'confusion: threshold must be in [0, 1]; got NaN',
    ],
    ['data', () => auroc([1, Number.NaN], y), 'auroc: scores[1] must be a number; got NaN'],
    ['data', () => rocCurve([1, 2], [0, 0.5]), 'rocCurve: labels[1] must be 0 or 1; got 0.5'],
    ['shape', () => averagePrecision([1, 2, 3], y), 'averagePrecision: scores must be of length 2; got length 3'],
    ['data', () => chooseThreshold([0, 7], y), 'chooseThreshold: probabilities[1] must be in [0, 1]; got 7'],
    [
      'data',
      () => temperature({ logits: [0, Number.POSITIVE_INFINITY], labels: y }),
      'temperature: logits[1] must be finite; got Infinity',
    ],
    [
      'divergence',
      () => expectFinite({ loss: Number.NaN, kl: 0.1, gradNorm: Number.POSITIVE_INFINITY }, 'step 7'),
      'step 7: every metric must be finite; got loss = NaN, gradNorm = Infinity',
    ],
  ] as const)('%s: case %#', (code, call, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect(isTsrlError(thrown, code)).toBe(true);
    expect((thrown as Error).message).toBe(message);
  });

  test('expectFinite lets finite metrics pass', () => {
    expect(expectFinite({ loss: 0.5, kl: -0 })).toBeUndefined();
  });
});
