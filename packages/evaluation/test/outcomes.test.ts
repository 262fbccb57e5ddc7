import { isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bestOfK,
  clusteredStandardError,
  itemVariance,
  majorityAtK,
  passAtK,
  passPowerK,
  wilsonInterval,
} from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-12 };
const subsets = (n: number, k: number): number[][] =>
  Array.from({ length: 2 ** n }, (_, bits) => [...Array(n).keys()].filter((i) => (bits >> i) & 1)).filter(
    (subset) => subset.length === k,
  );
const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
/** Every order in which k of the n places may be drawn. */
const orders = (n: number, k: number): number[][] =>
  k === 0
    ? [[]]
    : orders(n, k - 1).flatMap((head) =>
        [...Array(n).keys()].filter((i) => !head.includes(i)).map((i) => [...head, i]),
      );
const counts = fc
  .integer({ min: 1, max: 9 })
  .chain((n) => fc.tuple(fc.constant(n), fc.integer({ min: 0, max: n }), fc.integer({ min: 1, max: n })));

describe('Wilson', () => {
  test('golden: 7 of 10, the ends, and no trial', () => {
    const { lower, upper } = wilsonInterval(7, 10);
    expect(maxError([lower, upper], [0.39677814746114526, 0.892208732593699], tight)).toBeLessThanOrEqual(1);
    expect(wilsonInterval(0, 0)).toEqual({ lower: 0, upper: 1 });
    expect(wilsonInterval(0, 5).lower).toBe(0);
    expect(wilsonInterval(5, 5).upper).toBe(1);
  });

  test('its ends are the shares whose score test is at its limit: (p̂ − p)² = z² p(1 − p)/n', () => {
    const z = 1.959963984540054;
    forAll([fc.integer({ min: 1, max: 500 }), fc.double({ min: 0, max: 1, noNaN: true })], (n, share) => {
      const successes = Math.round(share * n);
      const interval = wilsonInterval(successes, n);
      for (const p of [interval.lower, interval.upper]) {
        expect(maxError([(successes / n - p) ** 2], [(z * z * p * (1 - p)) / n], tight)).toBeLessThanOrEqual(1);
      }
      expect(interval.lower).toBeLessThanOrEqual(successes / n);
      expect(interval.upper).toBeGreaterThanOrEqual(successes / n);
      const mirrored = wilsonInterval(n - successes, n);
      expect(
        maxError([1 - mirrored.upper, 1 - mirrored.lower], [interval.lower, interval.upper], tight),
      ).toBeLessThanOrEqual(1);
      const narrow = wilsonInterval(successes, n, { level: 0.5 });
      expect(narrow.upper - narrow.lower).toBeLessThan(interval.upper - interval.lower);
    });
  });

  test('coverage by enumeration: of 20 trials near 95 % on average over p, never below 0.83', () => {
    const n = 20;
    const chance = (k: number, p: number): number => {
      let ways = 1;
      for (let i = 1; i <= k; i++) ways = (ways * (n - i + 1)) / i;
      return ways * p ** k * (1 - p) ** (n - k);
    };
    const intervals = Array.from({ length: n + 1 }, (_, k) => wilsonInterval(k, n));
    const covered = Array.from({ length: 999 }, (_, i) => (i + 1) / 1000).map((p) =>
      intervals.reduce((sum, { lower, upper }, k) => sum + (lower <= p && p <= upper ? chance(k, p) : 0), 0),
    );
    expect(Math.abs(mean(covered) - 0.95)).toBeLessThan(0.01);
    expect(Math.min(...covered)).toBeGreaterThan(0.83);
  });
});

describe('pass@k and pass^k', () => {
  test('golden', () => {
    expect(passAtK({ samples: 10, correct: 3, k: 1 })).toBeCloseTo(0.3, 14);
    expect(passAtK({ samples: 10, correct: 3, k: 5 })).toBeCloseTo(0.9166666667, 10);
    expect(passPowerK({ samples: 10, correct: 3, k: 2 })).toBeCloseTo(1 / 15, 14);
    expect(passAtK({ samples: 4, correct: 2, k: 3 })).toBe(1);
    expect(passPowerK({ samples: 4, correct: 2, k: 3 })).toBe(0);
    expect(passAtK({ samples: 100_000, correct: 1, k: 50_000 })).toBeCloseTo(0.5, 10);
  });

  test('are the share of the subsets with one correct, and with all correct', () => {
    forAll([counts], ([samples, correct, k]) => {
      const all = subsets(samples, k);
      const right = (subset: number[]): number => subset.filter((i) => i < correct).length;
      const one = all.filter((subset) => right(subset) > 0).length / all.length;
      const every = all.filter((subset) => right(subset) === k).length / all.length;
      expect(
        maxError([passAtK({ samples, correct, k }), passPowerK({ samples, correct, k })], [one, every], tight),
      ).toBeLessThanOrEqual(1);
      // Turned around: all of k are wrong unless one is right.
      expect(passAtK({ samples, correct, k })).toBeCloseTo(
        1 - passPowerK({ samples, correct: samples - correct, k }),
        13,
      );
    });
  });

  test('without bias: over all outcomes of n coins the mean is 1 − (1 − p)^k', () => {
    forAll([fc.integer({ min: 1, max: 10 }), fc.double({ min: 0, max: 1, noNaN: true })], (samples, p) => {
      for (let k = 1; k <= samples; k++) {
        let expected = 0;
        let ways = 1;
        for (let correct = 0; correct <= samples; correct++) {
          expected += ways * p ** correct * (1 - p) ** (samples - correct) * passAtK({ samples, correct, k });
          ways = (ways * (samples - correct)) / (correct + 1);
        }
        expect(expected).toBeCloseTo(1 - (1 - p) ** k, 12);
      }
    });
  });
});

describe('maj@k', () => {
  const answer = fc.constantFrom('a', 'b', 'c', null);

  test('is the vote of every ordered draw of k, the first of the tied ones winning', () => {
    const drawn = fc.array(answer, { minLength: 1, maxLength: 6 });
    forAll(
      [drawn.chain((answers) => fc.tuple(fc.constant(answers), fc.integer({ min: 1, max: answers.length })))],
      ([answers, k]) => {
        const all = orders(answers.length, k);
        let right = 0;
        for (const order of all) {
          const votes = new Map<string, number>();
          for (const i of order) {
            const vote = answers[i];
            if (typeof vote === 'string') votes.set(vote, (votes.get(vote) ?? 0) + 1);
          }
          const top = Math.max(...votes.values());
          if ([...votes].find(([, n]) => n === top)?.[0] === 'a') right += 1; // a Map keeps the order of the first votes
        }
        expect(majorityAtK(answers, 'a', k)).toBeCloseTo(right / all.length, 12);
      },
    );
  });

  test('k = 1 is the mean; two answers and odd k are the hypergeometric tail; nobody right is 0', () => {
    forAll([fc.array(answer, { minLength: 1, maxLength: 40 })], (answers) => {
      expect(majorityAtK(answers, 'a', 1)).toBeCloseTo(answers.filter((a) => a === 'a').length / answers.length, 12);
      expect(majorityAtK(answers, 'z', answers.length)).toBe(0);
      const chances = ['a', 'b', 'c'].map((name) => majorityAtK(answers, name, Math.ceil(answers.length / 2)));
      if (!answers.includes(null)) expect(chances.reduce((x, y) => x + y)).toBeCloseTo(1, 11);
    });
    // 6 of 10 right, 5 drawn: (C(6,3)C(4,2) + C(6,4)C(4,1) + C(6,5))/C(10,5) = (120 + 60 + 6)/252
    const ten = [...'aaaaaabbbb'];
    expect(majorityAtK(ten, 'a', 5)).toBeCloseTo(186 / 252, 12);
    expect(majorityAtK(ten, 'a', 10)).toBe(1);
    expect(majorityAtK(new Array<null>(5).fill(null), 'a', 3)).toBe(0);
    // All of the 4000 samples alike or different: no overflow
    expect(majorityAtK(new Array<string>(4000).fill('a'), 'a', 2000)).toBeCloseTo(1, 12);
    expect(
      majorityAtK([...new Array<string>(1200).fill('a'), ...new Array<string>(800).fill('b')], 'a', 1000),
    ).toBeCloseTo(1, 8);
  });
});

describe('best of k', () => {
  test('is the mean over every ordered draw of the value of the first best-scored', () => {
    const sample = fc.tuple(fc.constantFrom(-Infinity, 0, 1, 2), fc.integer({ min: -5, max: 5 }));
    const drawn = fc.array(sample, { minLength: 1, maxLength: 6 });
    forAll(
      [drawn.chain((samples) => fc.tuple(fc.constant(samples), fc.integer({ min: 1, max: samples.length })))],
      ([samples, k]) => {
        const [scores, values] = [samples.map(([s]) => s), samples.map(([, v]) => v)];
        const picked = orders(samples.length, k).map((order) => {
          const best = order.reduce((b, i) => (scores[i]! > scores[b]! ? i : b));
          return values[best]!;
        });
        expect(bestOfK(scores, values, k)).toBeCloseTo(mean(picked), 12);
      },
    );
  });

  test('reductions: k = 1 the mean, k = n the best, by its own correctness pass@k', () => {
    forAll([counts], ([samples, correct, k]) => {
      const right = Array.from({ length: samples }, (_, i) => (i < correct ? 1 : 0));
      expect(bestOfK(right, right, k)).toBeCloseTo(passAtK({ samples, correct, k }), 13);
      expect(
        bestOfK(
          right,
          right.map((r) => 1 - r),
          k,
        ),
      ).toBeCloseTo(1 - passAtK({ samples, correct, k }), 13);
    });
    expect(bestOfK([3, 1, 2], [10, 20, 60], 1)).toBeCloseTo(30, 13);
    expect(bestOfK([3, 1, 2], [10, 20, 60], 3)).toBe(10);
  });
});

describe('items with several samples', () => {
  test('golden: 1,1 | 0,0 | 1,0', () => {
    expect(
      clusteredStandardError([
        [1, 1],
        [0, 0],
        [1, 0],
      ]),
    ).toBeCloseTo(0.2357022604, 10);
    expect(clusteredStandardError([[1, 1]])).toBeNull();
    expect(
      itemVariance([
        [1, 1],
        [0, 0],
        [1, 0],
      ]),
    ).toEqual({ total: 0.25, between: 0.25 - 1 / 12, within: 1 / 6 });
    expect(itemVariance([[1, 1]])).toBeNull();
    expect(itemVariance([[1], [0]])).toBeNull();
  });

  test('one sample per item: √Σ(s − s̄)²/N; the same sample k times changes nothing', () => {
    forAll(
      [fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 12 }), fc.integer({ min: 1, max: 5 })],
      (s, k) => {
        const plain = Math.sqrt(s.reduce((sum, v) => sum + (v - mean(s)) ** 2, 0)) / s.length;
        expect(clusteredStandardError(s.map((v) => [v]))).toBeCloseTo(plain, 12);
        expect(clusteredStandardError(s.map((v) => new Array<number>(k).fill(v)))).toBeCloseTo(plain, 12);
      },
    );
  });

  test('uneven items: the quadratic form of the definition, sample by sample', () => {
    const items = fc.array(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }), {
      minLength: 2,
      maxLength: 5,
    });
    forAll([items], (x) => {
      const centre = mean(x.flat());
      const products = x.flatMap((s) => s.flatMap((a) => s.map((b) => (a - centre) * (b - centre))));
      const expected =
        Math.sqrt(
          Math.max(
            0,
            products.reduce((a, b) => a + b, 0),
          ),
        ) / x.flat().length;
      expect(clusteredStandardError(x)).toBeCloseTo(expected, 7);
    });
  });

  test('the split is unbiased: the mean over all outcomes of items with known chances', () => {
    // Two items drawn from {0.2, 0.9}, two samples each: E total = Var p + E[p(1 − p)]/2
    const p = [0.2, 0.9];
    const expected = { total: 0, between: 0, within: 0 };
    for (const a of p) {
      for (const b of p) {
        for (let bits = 0; bits < 16; bits++) {
          const s = [0, 1, 2, 3].map((i) => (bits >> i) & 1);
          const chance = s.reduce((c, v, i) => c * (v ? (i < 2 ? a : b) : 1 - (i < 2 ? a : b)), 1 / 4);
          const split = itemVariance([s.slice(0, 2), s.slice(2)])!;
          for (const key of ['total', 'between', 'within'] as const) expected[key] += chance * split[key];
        }
      }
    }
    const within = (0.2 * 0.8 + 0.9 * 0.1) / 2;
    const between = 0.35 ** 2; // population variance of the chances
    expect(
      maxError([expected.total, expected.between, expected.within], [between + within / 2, between, within], tight),
    ).toBeLessThanOrEqual(1);
  });
});

describe('errors are sentences', () => {
  const cases: readonly [string, () => unknown, string][] = [
    ['option', () => wilsonInterval(3, 2), 'wilsonInterval: successes must be a whole number from 0 to 2; got 3'],
    ['option', () => wilsonInterval(0, -1), 'wilsonInterval: trials must be a whole number of at least 0; got -1'],
    ['option', () => wilsonInterval(0, 1, { level: 95 }), 'wilsonInterval: level must be in (0, 1); got 95'],
    ['option', () => passAtK({ samples: 4, correct: 2, k: 5 }), 'passAtK: k must be a whole number from 1 to 4; got 5'],
    ['option', () => passAtK({ samples: 4, correct: 2, k: 0 }), 'passAtK: k must be a whole number from 1 to 4; got 0'],
    [
      'option',
      () => passAtK({ samples: 4, correct: 5, k: 1 }),
      'passAtK: correct must be a whole number from 0 to 4; got 5',
    ],
    [
      'option',
      () => passPowerK({ samples: 0, correct: 0, k: 1 }),
      'passPowerK: samples must be a whole number of at least 1; got 0',
    ],
    ['data', () => majorityAtK([], 'a', 1), 'majorityAtK: there is no answer to vote on'],
    ['option', () => majorityAtK(['a'], 'a', 2), 'majorityAtK: k must be a whole number from 1 to 1; got 2'],
    ['shape', () => bestOfK([1], [1, 2], 1), 'bestOfK: scores must be of length 2; got length 1'],
    ['data', () => bestOfK([Number.NaN], [1], 1), 'bestOfK: scores[0] must be a number; got NaN'],
    ['data', () => bestOfK([1], [Infinity], 1), 'bestOfK: values[0] must be finite; got Infinity'],
    ['option', () => bestOfK([1], [1], 2), 'bestOfK: k must be a whole number from 1 to 1; got 2'],
    ['data', () => clusteredStandardError([]), 'clusteredStandardError: items must have at least one item'],
    [
      'data',
      () => clusteredStandardError([[1], []]),
      'clusteredStandardError: items[1] must have at least 1 number; got 0',
    ],
    ['shape', () => itemVariance([[1, 2], [1]]), 'itemVariance: items[1] must be of 2 samples like items[0]; got 1'],
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
