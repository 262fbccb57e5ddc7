import { createRng, isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  hedgesG,
  holm,
  mannWhitneyTest,
  mcnemarTest,
  permutationTest,
  probabilityOfImprovement,
  signFlipTest,
  welchTest,
} from '../src/index.ts';
import { incompleteBeta, logBeta } from '../src/special/beta.ts';
import { normalCdf, normalQuantile } from '../src/special/normal.ts';
import { studentQuantile, studentTail } from '../src/special/student.ts';

const NORMAL = [
  [0, 0.5],
  [0.5, 0.6914624612740131],
  [1, 0.8413447460685429],
  [1.96, 0.9750021048517795],
  [1.999, 0.9771958230673411],
  [2, 0.9772498680518208],
  [2.5, 0.9937903346742238],
  [6, 0.9999999990134123],
  [-1, 0.15865525393145705],
  [-1.999, 0.022804176932658883],
  [-2, 0.02275013194817921],
  [-3, 0.0013498980316300946],
  [-8, 6.220960574271784e-16],
  [-20, 2.7536241186062337e-89],
  [-37, 5.725571222524577e-300],
] as const;
const NORMAL_QUANTILE = [
  [0.025, -1.9599639845400543],
  [0.25, -0.6744897501960817],
  [0.6, 0.2533471031357997],
  [0.9, 1.2815515655446006],
  [0.975, 1.9599639845400538],
  [0.995, 2.5758293035489004],
  [1e-10, -6.361340902404057],
  [1e-300, -37.0470962993612],
] as const;
const LOG_BETA = [
  [0.5, 0.5, 1.1447298858494002],
  [2, 3, -2.4849066497880004],
  [1000000, 0.5, -6.335390211057437],
  [12, 30, -25.27486496841981],
  [0.01, 4, 4.586904523531209],
  [2.3, 7.9, -4.775811421267112],
  [500, 500, -694.9887224857134],
] as const;
const BETA = [
  [0.3, 0.5, 0.5, 0.36901011956554536],
  [0.4, 2, 3, 0.5248],
  [0.99, 10, 0.5, 0.6579281751567844],
  [0.9, 100, 0.5, 4.545254904517028e-6],
  [0.9999, 5000, 0.5, 0.31731050725795346],
  [0.2, 1, 1, 0.2],
  [0.1, 2.5, 7.25, 0.10841578583098449],
  [0.45, 50, 60, 0.4642352914306036],
  [0.7, 50, 60, 0.9999999530579958],
] as const;
const STUDENT = [
  [1, 1, 0.25],
  [2.5, 4, 0.03338327240599407],
  [-1.2, 2.3, 0.830450143948513],
  [0.1, 30, 0.4605048058951356],
  [3, 1000, 0.0013833545221190963],
  [50, 5, 3.0238788133006125e-8],
  [2, 100000, 0.022751481728753232],
] as const;
const STUDENT_QUANTILE = [
  [0.975, 1, 12.706204736174694],
  [0.975, 2, 4.302652729749462],
  [0.975, 4, 2.7764451051977934],
  [0.995, 9, 3.249835541592126],
  [0.9, 3.7, 1.5575658388615077],
  [0.975, 100, 1.9839715185235518],
  [0.025, 4, -2.7764451051977943],
] as const;
const MANY_X = Array.from({ length: 33 }, (_, i) => (i * i * 7) % 23);
const MANY_Y = Array.from({ length: 35 }, (_, i) => (i * i * 5 + i) % 19);
const MANY = [869.0, 0.00034433213124082125] as const;

/** Relative: tails count. */
const published = { absolute: 0, relative: 1e-12 };
const tight = { absolute: 1e-12, relative: 1e-12 };
const whole = (n: number) => fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: n });
const real = (n: number) => fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: n });
const subsets = (n: number, k: number): number[][] =>
  Array.from({ length: 2 ** n }, (_, bits) => [...Array(n).keys()].filter((i) => (bits >> i) & 1)).filter(
    (subset) => subset.length === k,
  );
const at = (x: readonly number[], places: readonly number[]): number[] => places.map((i) => x[i] as number);
const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;

/** Under the null all outcomes are equally likely: p ≤ α must not happen more often than α. */
function expectSuperUniform(pValues: readonly number[]): void {
  for (const alpha of pValues) {
    const share = pValues.filter((p) => p <= alpha + 1e-12).length / pValues.length;
    expect(share).toBeLessThanOrEqual(alpha + 1e-9);
  }
}

describe('special functions, against mpmath 1.3 with 40 digits', () => {
  test.each(NORMAL)('Φ(%d)', (x, expected) => {
    expect(maxError([normalCdf(x)], [expected], published)).toBeLessThanOrEqual(1);
  });

  test.each(NORMAL_QUANTILE)('Φ⁻¹(%d)', (p, expected) => {
    expect(maxError([normalQuantile(p)], [expected], published)).toBeLessThanOrEqual(1);
  });

  test.each(LOG_BETA)('log B(%d, %d)', (a, b, expected) => {
    expect(maxError([logBeta(a, b)], [expected], tight)).toBeLessThanOrEqual(1);
    expect(logBeta(b, a)).toBeCloseTo(expected, 11);
  });

  test.each(BETA)('I_x(a, b): %d, %d, %d', (x, a, b, expected) => {
    expect(maxError([incompleteBeta(x, a, b)], [expected], published)).toBeLessThanOrEqual(1);
  });

  test.each(STUDENT)('P(T > %d) of %d degrees of freedom', (t, df, expected) => {
    // x = ν/(ν + t²) keeps its distance from 1 only to 1e-16 (ν + t²)/t² of it.
    const relative = 1e-12 + (1e-16 * (df + t * t)) / (t * t);
    expect(maxError([studentTail(t, df)], [expected], { absolute: 0, relative })).toBeLessThanOrEqual(1);
  });

  test.each(STUDENT_QUANTILE)('the %d quantile of t with %d degrees of freedom', (p, df, expected) => {
    expect(maxError([studentQuantile(p, df)], [expected], published)).toBeLessThanOrEqual(1);
  });

  test('quantiles undo, tails mirror, ends are ends', () => {
    forAll(
      [fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true }), fc.double({ min: 0.5, max: 200, noNaN: true })],
      (p, df) => {
        expect(normalCdf(normalQuantile(p))).toBeCloseTo(p, 13);
        expect(1 - studentTail(studentQuantile(p, df), df)).toBeCloseTo(p, 12);
        expect(normalCdf(-df / 50) + normalCdf(df / 50)).toBeCloseTo(1, 14);
        expect(incompleteBeta(p, df, 2) + incompleteBeta(1 - p, 2, df)).toBeCloseTo(1, 12);
      },
    );
    expect([normalQuantile(0), normalQuantile(1), normalQuantile(0.5)]).toEqual([-Infinity, Infinity, 0]);
    expect([studentTail(Infinity, 3), studentTail(-Infinity, 3), studentQuantile(0.5, 3)]).toEqual([0, 1, 0]);
    expect([incompleteBeta(0, 2, 3), incompleteBeta(1, 2, 3)]).toEqual([0, 1]);
  });
});

describe('sign-flip test', () => {
  test('golden: SciPy; and the floor 2/2ⁿ, 0.0625 with 5 seeds and 0.03125 with 6', () => {
    const result = signFlipTest([0.06, 0.04, 0.11, -0.04, 0.09]);
    expect(result).toEqual({ difference: result.difference, pValue: 0.1875, exact: true });
    expect(result.difference).toBeCloseTo(0.052, 14);
    expect(signFlipTest([1, 2, 3, 4, 5]).pValue).toBe(0.0625);
    expect(signFlipTest([0.1, 0.2, 0.3, 0.1, 0.1, 0.7]).pValue).toBe(0.03125);
    expect(signFlipTest([3]).pValue).toBe(1);
    expect(signFlipTest([0, 0, 0]).pValue).toBe(1);
  });

  test('is the enumeration of all signs, and symmetric in the sign', () => {
    forAll([whole(8)], (d) => {
      const observed = Math.abs(d.reduce((a, b) => a + b));
      let extreme = 0;
      for (let bits = 0; bits < 2 ** d.length; bits++) {
        const sum = d.reduce((s, x, i) => s + ((bits >> i) & 1 ? x : -x), 0);
        if (Math.abs(sum) >= observed) extreme += 1;
      }
      expect(signFlipTest(d).pValue).toBe(extreme / 2 ** d.length);
      expect(signFlipTest(d.map((x) => -x)).pValue).toBe(signFlipTest(d).pValue);
    });
  });

  test('is super-uniform under the null, over all signs', () => {
    forAll(
      [real(6)],
      (d) => {
        const flipped = Array.from({ length: 2 ** d.length }, (_, bits) => d.map((x, i) => ((bits >> i) & 1 ? x : -x)));
        expectSuperUniform(flipped.map((signs) => signFlipTest(signs).pValue));
      },
      { runs: 20 },
    );
  });

  test('rounding does not part what is equal', () => {
    // 0.1 + 0.2 − 0.3 is 5.6e-17: with all signs these sums are ties.
    expect(signFlipTest([0.1, 0.2, -0.3]).pValue).toBe(1);
    expect(signFlipTest([0.3, 0.1, 0.2]).pValue).toBe(0.25);
    // Half of the smallest numbers is not a number, so twice their mean would be more than their sum.
    expect(signFlipTest([0, 15 * Number.MIN_VALUE]).pValue).toBe(1);
  });

  test('beyond 20 drawn signs: never 0, close to the exact p, the same for the same seed', () => {
    const twenty = Array.from({ length: 20 }, (_, i) => Math.sin(i) + 0.35);
    const exact = signFlipTest(twenty);
    expect(exact.exact).toBe(true);
    // A 21st difference of 0 changes neither sums nor p.
    const drawn = signFlipTest([...twenty, 0], { rng: createRng(1), permutations: 20_000 });
    expect(drawn.exact).toBe(false);
    const error = Math.sqrt((exact.pValue * (1 - exact.pValue)) / 20_000);
    expect(Math.abs(drawn.pValue - exact.pValue)).toBeLessThan(5 * error + 1 / 20_000);
    expect(signFlipTest([...twenty, 0], { rng: createRng(1), permutations: 20_000 })).toEqual(drawn);
    expect(signFlipTest(new Array<number>(30).fill(1), { rng: createRng(1), permutations: 99 }).pValue).toBe(0.01);
  });
});

describe('permutation test', () => {
  test('golden: SciPy', () => {
    const result = permutationTest([0.61, 0.64, 0.7, 0.58, 0.66], [0.55, 0.6, 0.59, 0.62, 0.57]);
    expect(result.pValue).toBeCloseTo(0.07936507936507936, 15);
    expect(result.difference).toBeCloseTo(0.052, 14);
    expect(result.exact).toBe(true);
  });

  test('is the enumeration of all divisions, and symmetric', () => {
    forAll([whole(5), whole(5)], (x, y) => {
      const all = [...x, ...y];
      // Whole numbers: |n_y Σx − n_x Σy| over both sides.
      const distance = (places: readonly number[]): number => {
        const sum = at(all, places).reduce((a, b) => a + b, 0);
        return Math.abs(all.length * sum - x.length * all.reduce((a, b) => a + b, 0));
      };
      const observed = distance(x.map((_, i) => i));
      const divisions = subsets(all.length, x.length);
      const expected = divisions.filter((places) => distance(places) >= observed).length / divisions.length;
      expect(permutationTest(x, y).pValue).toBeCloseTo(expected, 14);
      expect(permutationTest(y, x).pValue).toBeCloseTo(expected, 14);
    });
  });

  test('is super-uniform under the null, over all divisions', () => {
    forAll(
      [real(7).filter((x) => x.length > 1)],
      (all) => {
        const k = all.length >> 1;
        const places = [...all.keys()];
        expectSuperUniform(
          subsets(all.length, k).map(
            (x) =>
              permutationTest(
                at(all, x),
                at(
                  all,
                  places.filter((i) => !x.includes(i)),
                ),
              ).pValue,
          ),
        );
      },
      { runs: 20 },
    );
  });

  test('beyond 2²⁰ divisions drawn ones', () => {
    const [x, y] = [12, 13].map((n, shift) => Array.from({ length: n }, (_, i) => Math.cos(3 * i) + shift / 2));
    const run = (seed: number) => permutationTest(x!, y!, { rng: createRng(seed), permutations: 4000 });
    expect(run(1)).toEqual(run(1));
    expect(run(1).exact).toBe(false);
    // Welch's p is close at such sizes; five standard errors of the draws and 0.02 for the difference of the tests.
    const welch = welchTest(x!, y!)!.pValue;
    expect(Math.abs(run(1).pValue - welch)).toBeLessThan(5 * Math.sqrt((welch * (1 - welch)) / 4000) + 0.02);
    const apart = new Array<number>(12).fill(1);
    expect(
      permutationTest(
        apart,
        [...apart, 1].map(() => 0),
        { rng: createRng(1), permutations: 99 },
      ).pValue,
    ).toBe(0.01);
  });
});

describe('Mann-Whitney', () => {
  test('golden: SciPy, exact without ties and normal with them', () => {
    const result = mannWhitneyTest([0.61, 0.64, 0.7, 0.58, 0.66], [0.55, 0.6, 0.59, 0.62, 0.57]);
    expect(result).toEqual({ u: 21, probabilityOfImprovement: 0.84, pValue: result.pValue, exact: true });
    expect(result.pValue).toBeCloseTo(0.09523809523809523, 14);
    const many = mannWhitneyTest(MANY_X, MANY_Y);
    expect(many.exact).toBe(false);
    expect([many.u, many.pValue].map((v, i) => Math.abs(v - MANY[i]!))).toEqual([0, expect.closeTo(0, 12)]);
  });

  test('U counts pairs; p is the enumeration of all divisions, ties and all; symmetric; rank-invariant', () => {
    forAll([whole(5), whole(5)], (x, y) => {
      const all = [...x, ...y];
      const places = [...all.keys()];
      const u = (a: readonly number[]): number => {
        const b = places.filter((i) => !a.includes(i));
        return a.flatMap((i) => b.map((j) => (Math.sign(all[i]! - all[j]!) + 1) / 2)).reduce((s, v) => s + v, 0);
      };
      const observed = u(x.map((_, i) => i));
      const centre = (x.length * y.length) / 2;
      const divisions = subsets(all.length, x.length);
      const extreme = divisions.filter((a) => Math.abs(u(a) - centre) >= Math.abs(observed - centre)).length;
      const result = mannWhitneyTest(x, y);
      expect(result.u).toBe(observed);
      expect(result.probabilityOfImprovement).toBeCloseTo(
        probabilityOfImprovement(
          x.map((v) => [v]),
          y.map((v) => [v]),
        ),
        14,
      );
      expect(result.pValue).toBeCloseTo(extreme / divisions.length, 13);
      expect(mannWhitneyTest(y, x).pValue).toBeCloseTo(result.pValue, 13);
      expect(mannWhitneyTest(x.map(Math.exp), y.map(Math.exp))).toEqual(result);
    });
  });

  test('exact and normal agree where they meet, and equal numbers give 1', () => {
    const x = Array.from({ length: 30 }, (_, i) => Math.sin(i * i));
    const y = Array.from({ length: 30 }, (_, i) => Math.sin(i * i + 1) + 0.3);
    const exact = mannWhitneyTest(x, y);
    const normal = mannWhitneyTest(x, [...y, 100, -100]); // one win and one loss each: U − mean stays
    expect([exact.exact, normal.exact]).toEqual([true, false]);
    expect(Math.abs(exact.pValue - normal.pValue)).toBeLessThan(0.05);
    expect(mannWhitneyTest([1, 1], [1]).pValue).toBe(1);
    expect(mannWhitneyTest(new Array<number>(40).fill(1), new Array<number>(40).fill(1)).pValue).toBe(1);
  });
});

describe('Welch and Hedges', () => {
  test('golden: SciPy', () => {
    const result = welchTest([0.61, 0.64, 0.7, 0.58, 0.66], [0.55, 0.6, 0.59, 0.62, 0.57])!;
    const { difference, t, df, pValue, lower, upper } = result;
    const expected = [
      0.052, 2.178040323116819, 6.462713583832274, 0.06903001611294786, -0.005420154487722581, 0.10942015448772267,
    ];
    expect(
      maxError([difference, t, df, pValue, lower, upper], expected, { absolute: 1e-13, relative: 1e-11 }),
    ).toBeLessThanOrEqual(1);
  });

  test('antisymmetric; the interval holds 0 exactly when p > 1 − level', () => {
    const sample = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 2, maxLength: 6 });
    forAll([sample, sample, fc.double({ min: 0.5, max: 0.999, noNaN: true })], (x, y, level) => {
      const [xy, yx] = [welchTest(x, y, { level }), welchTest(y, x, { level })];
      if (xy === null || yx === null) {
        expect(new Set(x).size + new Set(y).size).toBe(2);
        return;
      }
      expect(
        maxError([xy.lower, xy.upper, xy.t, xy.pValue], [-yx.upper, -yx.lower, -yx.t, yx.pValue], tight),
      ).toBeLessThanOrEqual(1);
      if (Math.abs(xy.pValue - (1 - level)) > 1e-9) {
        expect(xy.lower <= 0 && xy.upper >= 0).toBe(xy.pValue > 1 - level);
      }
    });
    expect(welchTest([1], [1, 2])).toBeNull();
    expect(welchTest([1, 1], [2, 2])).toBeNull();
    expect(welchTest([1, 1], [2, 4])?.df).toBe(1);
  });

  test("Hedges' g: the exact correction, close to 1 − 3/(4m − 1), unbiased where d is not", () => {
    // m = 2: Γ(1)/(√1 Γ(½)) = 1/√π; pooled deviation of (0, 2) and (1, 3) is √2
    expect(hedgesG([0, 2], [1, 3])).toBeCloseTo(-1 / Math.sqrt(2 * Math.PI), 13);
    // m = 4: Γ(2)/(√2 Γ(3/2)) = √(2/π)
    expect(hedgesG([3, 4, 5], [0, 1, 2])).toBeCloseTo(3 * Math.sqrt(2 / Math.PI), 13);
    const big = Array.from({ length: 50 }, (_, i) => i % 2);
    const deviation = Math.sqrt((25 / 98) * 1); // Σ squares 12.5 each
    expect(
      hedgesG(
        big,
        big.map((v) => v - 1),
      )! * deviation,
    ).toBeCloseTo(1 - 3 / (4 * 98 - 1), 5);
    const rng = createRng(5);
    const [studies, n, effect] = [4000, 4, 1];
    const draws = Array.from({ length: studies }, () => {
      const [x, y] = [effect, 0].map((shift) => Array.from({ length: n }, () => rng.normal() + shift));
      return hedgesG(x!, y!)!;
    });
    const spread = Math.sqrt(mean(draws.map((g) => (g - effect) ** 2)) / studies);
    expect(Math.abs(mean(draws) - effect)).toBeLessThan(4 * spread); // Cohen's d is off by 15 %, ten times as much
    expect(0.15).toBeGreaterThan(8 * spread);
    expect(hedgesG([1], [1, 2])).toBeNull();
    expect(hedgesG([1, 1], [2, 2])).toBeNull();
    expect(hedgesG([1], [2, 3, 4])).not.toBeNull();
  });
});

describe('McNemar', () => {
  test('golden (8, 2); nothing discordant is 1; the binomial tail by enumeration of 2ⁿ coins', () => {
    expect(mcnemarTest(8, 2)).toBeCloseTo(0.109375, 14);
    expect(mcnemarTest(0, 0)).toBe(1);
    expect(mcnemarTest(3, 3)).toBe(1);
    forAll([fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 7 })], (b, c) => {
      const n = b + c;
      const heads = Array.from(
        { length: 2 ** n },
        (_, bits) => [...Array(n).keys()].filter((i) => (bits >> i) & 1).length,
      );
      const tail = heads.filter((k) => k <= Math.min(b, c)).length / 2 ** n;
      expect(mcnemarTest(b, c)).toBeCloseTo(Math.min(1, 2 * tail), 13);
      expect(mcnemarTest(c, b)).toBe(mcnemarTest(b, c));
      expectSuperUniform(heads.slice(0, 256).length === 2 ** n ? heads.map((k) => mcnemarTest(k, n - k)) : []);
      // It is the sign-flip test of the discordant examples.
      expect(mcnemarTest(b, c)).toBeCloseTo(
        n === 0 ? 1 : signFlipTest([...Array(b).fill(1), ...Array(c).fill(-1)]).pValue,
        13,
      );
    });
    expect(mcnemarTest(5000, 4700)).toBeGreaterThan(0); // 2^−9700 alone is 0
  });
});

describe('Holm', () => {
  test('golden, in the order given', () => {
    expect(Array.from(holm([0.04, 0.01, 0.03, 0.005]))).toEqual([0.06, 0.03, 0.06, 0.02]);
    expect(holm([])).toHaveLength(0);
    expect(Array.from(holm([0.7, 0.8]))).toEqual([1, 1]);
  });

  test('the formula; at least raw, at most Bonferroni, keeps the order, moves with the order given', () => {
    forAll([fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 })], (p) => {
      const m = p.length;
      const adjusted = holm(p);
      p.forEach((raw, i) => {
        // Of those at most as large, each times how many are at least as large: ties give the largest of them.
        const expected = Math.max(
          ...p.filter((q) => q <= raw).map((q) => Math.min(1, (m - p.filter((r) => r < q).length) * q)),
        );
        expect(adjusted[i]).toBe(expected);
        expect(adjusted[i]).toBeGreaterThanOrEqual(raw);
        expect(adjusted[i]).toBeLessThanOrEqual(Math.min(1, m * raw));
        p.forEach((other, j) => {
          if (other >= raw) expect(adjusted[j]).toBeGreaterThanOrEqual(adjusted[i]!);
        });
      });
      expect(Array.from(holm(p.toReversed()))).toEqual(Array.from(adjusted).toReversed());
    });
  });
});

describe('errors are sentences', () => {
  const long = new Array<number>(21).fill(1);
  const cases: readonly [string, () => unknown, string][] = [
    ['data', () => signFlipTest([]), 'signFlipTest: differences must have at least 1 number; got 0'],
    ['option', () => signFlipTest(long), 'signFlipTest: rng must be given for more than 20 differences; got undefined'],
    [
      'option',
      () => signFlipTest(long, { permutations: 0 }),
      'signFlipTest: permutations must be a whole number of at least 1; got 0',
    ],
    [
      'option',
      () => permutationTest(long, long),
      'permutationTest: rng must be given for more than 1048576 divisions; got undefined',
    ],
    ['data', () => permutationTest([1], []), 'permutationTest: y must have at least 1 number; got 0'],
    ['data', () => mannWhitneyTest([Infinity], [1]), 'mannWhitneyTest: x[0] must be finite; got Infinity'],
    ['option', () => welchTest([1, 2], [1, 2], { level: 0 }), 'welchTest: level must be in (0, 1); got 0'],
    ['data', () => hedgesG([], [1]), 'hedgesG: x must have at least 1 number; got 0'],
    ['option', () => mcnemarTest(1.5, 2), 'mcnemarTest: b must be a whole number of at least 0; got 1.5'],
    ['option', () => mcnemarTest(1, -2), 'mcnemarTest: c must be a whole number of at least 0; got -2'],
    ['data', () => holm([0.5, 1.5]), 'holm: pValues[1] must be in [0, 1]; got 1.5'],
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
