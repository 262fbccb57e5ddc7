import { createRng, isTsrlError, type Rng } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acceleration } from '../src/bootstrap/bootstrap-intervals.ts';
import {
  type Bootstrap,
  basicInterval,
  bayesianBootstrap,
  bcaInterval,
  bootstrap,
  combineBootstraps,
  crossedBootstrap,
  interquartileMean,
  intervalCaution,
  jackknife,
  meanOverTasks,
  percentileInterval,
  probabilityOfImprovement,
  quantile,
  type Scores,
  stratifiedBootstrap,
  studentInterval,
} from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-12 };
const number = fc.double({ min: -10, max: 10, noNaN: true }).map((x) => x + 0); // no −0, which equals 0
const numbers = fc.array(number, { minLength: 2, maxLength: 12 });
const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const levels = fc.double({ min: 0.01, max: 0.99, noNaN: true });
const mean = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0) / x.length;
function popVariance(x: ArrayLike<number>): number {
  const centre = mean(x);
  return mean(Array.from(x, (v) => (v - centre) ** 2));
}
const meanAt =
  (x: readonly number[]) =>
  (units: Int32Array): number =>
    mean(Array.from(units, (i) => x[i] as number));
const matrix = (runs: number, tasks: number) =>
  fc.array(fc.array(number, { minLength: tasks, maxLength: tasks }), { minLength: runs, maxLength: runs });
const given = (value: Bootstrap | null): Bootstrap => {
  if (value === null) throw new Error('there is no bootstrap');
  return value;
};
const replicated = (estimate: number, replicates: readonly number[]): Bootstrap => ({
  estimate,
  replicates: Float64Array.from(replicates),
});

/** Uniform numbers that make every draw of one of `bases[i]` in turn, through all combinations, each once. */
function everyDraw(bases: readonly number[]): { rng: Rng; combinations: number } {
  const combinations = bases.reduce((a, b) => a * b, 1);
  let call = 0;
  const uniform = (): number => {
    const digit = call % bases.length;
    let rest = Math.floor(call / bases.length);
    for (let i = 0; i < digit; i++) rest = Math.floor(rest / (bases[i] as number));
    call += 1;
    return ((rest % (bases[digit] as number)) + 0.5) / (bases[digit] as number);
  };
  return { rng: { ...createRng(0), uniform }, combinations };
}

describe('quantile', () => {
  test('type 7: linear interpolation at position (n − 1) q', () => {
    expect(quantile([4, 1, 3, 2], 0.25)).toBe(1.75);
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([10, 20], 0.1)).toBe(11);
    expect(quantile([7], 0.3)).toBe(7);
  });

  test('ends are the extremes, it never decreases in q, and the numbers are left alone', () => {
    forAll([numbers, levels, levels], (x, p, q) => {
      const before = [...x];
      expect(quantile(x, 0)).toBe(Math.min(...x));
      expect(quantile(x, 1)).toBe(Math.max(...x));
      expect(quantile(x, Math.min(p, q))).toBeLessThanOrEqual(quantile(x, Math.max(p, q)) + 1e-12);
      expect(x).toEqual(before);
    });
  });
});

describe('bootstrap', () => {
  test('its draws are all resamples, equally likely: the exact law of the mean of three by enumeration', () => {
    const x = [1, 2, 4];
    const { rng, combinations } = everyDraw([3, 3, 3]);
    const { estimate, replicates } = given(bootstrap(3, meanAt(x), rng, { replicates: combinations }));
    expect(estimate).toBeCloseTo(7 / 3, 12);
    const all = x.flatMap((a) => x.flatMap((b) => x.map((c) => (a + b + c) / 3))).sort((a, b) => a - b);
    expect(maxError(replicates.toSorted(), all, tight)).toBeLessThanOrEqual(1);
    expect(popVariance(replicates)).toBeCloseTo(popVariance(x) / 3, 12);
  });

  test('draws are uniform: variance of the mean and frequency of each unit, at 5 standard errors', () => {
    const B = 20_000;
    const hits = new Float64Array(5);
    bootstrap(
      5,
      (units) => {
        for (const i of units) hits[i]! += 1;
        return 0;
      },
      createRng(7),
      { replicates: B },
    );
    for (const count of hits) expect(Math.abs(count - 1 - B)).toBeLessThan(5 * Math.sqrt(5 * B * 0.2 * 0.8));
  });

  test('the same seed gives the same replicates, another one others', () => {
    forAll([numbers, seeds], (x, seed) => {
      const run = (s: number): Bootstrap => given(bootstrap(x.length, meanAt(x), createRng(s), { replicates: 20 }));
      expect(run(seed)).toEqual(run(seed));
    });
    const one = bootstrap(9, (u) => u[0] as number, createRng(1), { replicates: 50 });
    expect(bootstrap(9, (u) => u[0] as number, createRng(2), { replicates: 50 })).not.toEqual(one);
  });

  test('constant data have an interval of no width; one unit has none', () => {
    const flat = given(bootstrap(4, meanAt([2.5, 2.5, 2.5, 2.5]), createRng(1), { replicates: 100 }));
    const expected = { lower: 2.5, upper: 2.5 };
    expect(percentileInterval(flat)).toEqual(expected);
    expect(basicInterval(flat)).toEqual(expected);
    expect(bcaInterval(flat, jackknife(4, meanAt([2.5, 2.5, 2.5, 2.5])))).toEqual(expected);
    expect(bootstrap(1, () => 0, createRng(1))).toBeNull();
    expect(bayesianBootstrap(1, () => 0, createRng(1))).toBeNull();
  });

  test('10,000 replicates unless told', () => {
    expect(bootstrap(2, () => 0, createRng(1))?.replicates).toHaveLength(10_000);
  });
});

describe('intervals', () => {
  test('percentile and basic are the quantiles and their reflection', () => {
    forAll([number, fc.array(number, { minLength: 1, maxLength: 30 }), levels], (estimate, values, level) => {
      const drawn = replicated(estimate, values);
      const { lower, upper } = percentileInterval(drawn, { level });
      expect(
        maxError([lower, upper], [quantile(values, (1 - level) / 2), quantile(values, (1 + level) / 2)], tight),
      ).toBeLessThanOrEqual(1);
      const basic = basicInterval(drawn, { level });
      expect(
        maxError([basic.lower, basic.upper], [2 * estimate - upper, 2 * estimate - lower], tight),
      ).toBeLessThanOrEqual(1);
    });
    const hundred = percentileInterval(replicated(0, [...Array(101).keys()]));
    expect(maxError([hundred.lower, hundred.upper], [2.5, 97.5], tight)).toBeLessThanOrEqual(1);
  });

  test('a higher level contains a lower one', () => {
    forAll([numbers, seeds, levels, levels], (x, seed, p, q) => {
      const drawn = given(bootstrap(x.length, meanAt(x), createRng(seed), { replicates: 50 }));
      const jackknifed = jackknife(x.length, meanAt(x));
      for (const interval of [percentileInterval, basicInterval]) {
        const [inner, outer] = [interval(drawn, { level: Math.min(p, q) }), interval(drawn, { level: Math.max(p, q) })];
        expect(outer.lower).toBeLessThanOrEqual(inner.lower + 1e-12);
        expect(outer.upper).toBeGreaterThanOrEqual(inner.upper - 1e-12);
      }
      const inner = bcaInterval(drawn, jackknifed, { level: Math.min(p, q) });
      const outer = bcaInterval(drawn, jackknifed, { level: Math.max(p, q) });
      if (inner === null || outer === null) return;
      expect(outer.lower).toBeLessThanOrEqual(inner.lower + 1e-12);
      expect(outer.upper).toBeGreaterThanOrEqual(inner.upper - 1e-12);
    });
  });

  test('the mean is equivariant to translation and scale, in every interval', () => {
    const whole = fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 2, maxLength: 10 });
    forAll([whole, seeds, fc.integer({ min: -5, max: 5 }), fc.constantFrom(0.5, 2, 4)], (x, seed, shift, scale) => {
      const moved = x.map((value) => scale * value + shift);
      const intervals = (values: readonly number[]) => {
        const drawn = given(bootstrap(values.length, meanAt(values), createRng(seed), { replicates: 40 }));
        return [percentileInterval(drawn), basicInterval(drawn), studentInterval(values)];
      };
      const expected = intervals(x).flatMap((i) => [scale * (i?.lower ?? 0) + shift, scale * (i?.upper ?? 0) + shift]);
      const actual = intervals(moved).flatMap((i) => [i?.lower ?? 0, i?.upper ?? 0]);
      expect(maxError(actual, expected, { absolute: 1e-11, relative: 1e-11 })).toBeLessThanOrEqual(1);
    });
  });

  test('golden: the acceleration of the mean of (1, 2, 2, 3, 9) is skewness/(6 √n)', () => {
    const x = [1, 2, 2, 3, 9];
    expect(acceleration(jackknife(5, meanAt(x)))).toBeCloseTo(0.0984680088, 10);
    forAll([fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 3, maxLength: 12 })], (values) => {
      const spread = popVariance(values);
      const skewness = spread === 0 ? 0 : mean(values.map((v) => (v - mean(values)) ** 3)) / spread ** 1.5;
      const a = acceleration(jackknife(values.length, meanAt(values)));
      expect(
        maxError([a], [skewness / (6 * Math.sqrt(values.length))], { absolute: 1e-9, relative: 1e-9 }),
      ).toBeLessThanOrEqual(1);
    });
    expect(acceleration([3, 3])).toBe(0);
  });

  test('BCa without bias and acceleration is the percentile interval; with them it is the formula', () => {
    const symmetric = replicated(
      0,
      Array.from({ length: 2001 }, (_, i) => (i - 1000) / 100),
    );
    const plain = percentileInterval(symmetric, { level: 0.9 });
    const bca = bcaInterval(symmetric, [-1, 0, 1], { level: 0.9 });
    expect(
      maxError([bca?.lower ?? 0, bca?.upper ?? 0], [plain.lower, plain.upper], { absolute: 1e-9, relative: 0 }),
    ).toBeLessThanOrEqual(1);
    // SciPy 1.17.1, of the 5⁵ resamples of (1, 2, 2, 3, 9): z₀ and the two levels by scipy.stats.norm
    const x = [1, 2, 2, 3, 9];
    const { rng, combinations } = everyDraw([5, 5, 5, 5, 5]);
    const exact = given(bootstrap(5, meanAt(x), rng, { replicates: combinations }));
    expect(bcaInterval(exact, jackknife(5, meanAt(x)))).toEqual({ lower: 1.8, upper: 7.6 });
  });

  test('BCa is undefined where all replicates lie on one side, and where the denominator is not positive', () => {
    expect(bcaInterval(replicated(0, [1, 2, 3]), [1, 2, 3])).toBeNull();
    expect(bcaInterval(replicated(9, [1, 2, 3]), [1, 2, 3])).toBeNull();
    // One outlier of many makes the acceleration 1/6, the most there is: the denominator ends where z₀ + z = 6.
    const outlier = [-1000, ...new Array<number>(999).fill(0)];
    expect(acceleration(outlier)).toBeCloseTo(1 / 6, 3);
    expect(bcaInterval(replicated(3, [1, 2, 3]), outlier, { level: 1 - 1e-9 })).toBeNull();
    expect(bcaInterval(replicated(3, [1, 2, 3]), outlier)).not.toBeNull();
  });

  test('Student: x̄ ± t s/√n', () => {
    // t of 4 degrees of freedom at 0.975: 2.776445105197794
    const x = [1, 2, 2, 3, 9];
    const half = 2.776445105197794 * Math.sqrt((popVariance(x) * 5) / 4 / 5);
    const interval = studentInterval(x);
    expect(maxError([interval?.lower ?? 0, interval?.upper ?? 0], [3.4 - half, 3.4 + half], tight)).toBeLessThanOrEqual(
      1,
    );
    expect(studentInterval([3])).toBeNull();
    expect(studentInterval([3, 3])).toEqual({ lower: 3, upper: 3 });
  });

  test('coverage of normal samples: percentile 0.74, 0.84, 0.89 for 3, 5, 10, and Student 0.95, at 4 standard errors', () => {
    const rng = createRng(11);
    const studies = 1500;
    for (const [n, nominal] of [
      [3, 0.74],
      [5, 0.84],
      [10, 0.89],
    ] as const) {
      let [percentile, student] = [0, 0];
      for (let study = 0; study < studies; study++) {
        const x = Array.from({ length: n }, () => rng.normal());
        const drawn = given(
          bootstrap(
            n,
            (u) => {
              let s = 0;
              for (const i of u) s += x[i] as number;
              return s / n;
            },
            rng,
            { replicates: 300 },
          ),
        );
        const p = percentileInterval(drawn);
        if (p.lower <= 0 && p.upper >= 0) percentile += 1;
        const s = studentInterval(x);
        if (s !== null && s.lower <= 0 && s.upper >= 0) student += 1;
      }
      const error = (share: number): number => 4 * Math.sqrt((share * (1 - share)) / studies) + 0.005; // printed to 0.01
      expect(Math.abs(percentile / studies - nominal)).toBeLessThan(error(nominal));
      expect(Math.abs(student / studies - 0.95)).toBeLessThan(error(0.95));
    }
  });

  test('the caution for few units', () => {
    const told = (holds: string, units: number): string =>
      `a percentile interval over ${units} units holds for ${holds} of normal samples where 95 % is written: give Student's interval beside it`;
    expect(intervalCaution(2)).toBe(told('less than 74 %', 2));
    expect(intervalCaution(3)).toBe(told('about 74 %', 3));
    expect(intervalCaution(4)).toBe(told('74 to 84 %', 4));
    expect(intervalCaution(5)).toBe(told('about 84 %', 5));
    expect(intervalCaution(9)).toBe(told('84 to 89 %', 9));
    expect(intervalCaution(10)).toBeNull();
  });
});

describe('Bayesian bootstrap', () => {
  test('weights are Dirichlet(1, …, 1): they sum to 1, with mean 1/n and variance (n − 1)/(n²(n + 1))', () => {
    const [n, B] = [3, 20_000];
    const first: number[] = [];
    const result = given(
      bayesianBootstrap(
        n,
        (weights) => {
          expect(Math.abs(weights.reduce((a, b) => a + b) - 1)).toBeLessThan(1e-12);
          first.push(weights[0] as number);
          return weights[1] as number;
        },
        createRng(3),
        { replicates: B },
      ),
    );
    expect(result.estimate).toBe(1 / 3);
    const variance = (n - 1) / (n * n * (n + 1));
    for (const weights of [first.slice(1), result.replicates]) {
      expect(Math.abs(mean(weights) - 1 / n)).toBeLessThan(5 * Math.sqrt(variance / B));
      expect(Math.abs(popVariance(weights) / variance - 1)).toBeLessThan(0.05); // 5 standard errors: kurtosis 2.4
    }
  });
});

describe('crossed bootstrap', () => {
  const cell =
    (x: readonly (readonly number[])[]) =>
    (seed: number, examples: Int32Array): number =>
      meanAt(x[seed] as readonly number[])(examples);

  test('all 2² · 3³ draws: variance = rows/S + columns/E + residual/(S E), exactly', () => {
    forAll(
      [matrix(2, 3)],
      (x) => {
        const { rng, combinations } = everyDraw([2, 2, 3, 3, 3]);
        const [result] = crossedBootstrap([cell(x)], { seeds: 2, examples: 3, replicates: combinations }, rng) ?? [];
        const rows = x.map(mean);
        const columns = [0, 1, 2].map((e) => mean(x.map((row) => row[e] as number)));
        const residual = mean(x.flatMap((row, s) => row.map((v, e) => (v - rows[s]! - columns[e]! + mean(rows)) ** 2)));
        const expected = popVariance(rows) / 2 + popVariance(columns) / 3 + residual / 6;
        expect(
          maxError(
            [popVariance(result!.replicates), mean(result!.replicates), result!.estimate],
            [expected, mean(rows), mean(rows)],
            { absolute: 1e-11, relative: 1e-11 },
          ),
        ).toBeLessThanOrEqual(1);
      },
      { runs: 50 },
    );
  });

  test('over seeds alone and over examples alone', () => {
    const x = [
      [1, 5, 2],
      [4, 4, 9],
    ];
    const run = (over: 'seeds' | 'examples', bases: number[]): Float64Array => {
      const { rng, combinations } = everyDraw(bases);
      return crossedBootstrap([cell(x)], { seeds: 2, examples: 3, over, replicates: combinations }, rng)![0]!
        .replicates;
    };
    expect(popVariance(run('seeds', [2, 2]))).toBeCloseTo(popVariance(x.map(mean)) / 2, 12);
    expect(popVariance(run('examples', [3, 3, 3]))).toBeCloseTo(popVariance([2.5, 4.5, 5.5]) / 3, 12);
  });

  test('strata: a resample has as many of each class, and balanced accuracy has its exact law', () => {
    const strata = ['a', 'b', 'a', 'b', 'b'];
    const seen = new Set<string>();
    const metric = (_: number, examples: Int32Array): number => {
      expect(Array.from(examples, (i) => strata[i])).toEqual(strata);
      seen.add(examples.join());
      return 0;
    };
    const { rng, combinations } = everyDraw([2, 3, 2, 3, 3]);
    crossedBootstrap([metric], { seeds: 1, examples: 5, strata, over: 'examples', replicates: combinations }, rng);
    expect(seen.size).toBe(2 ** 2 * 3 ** 3);
  });

  test('methods share their draws: a method against itself is exactly [0, 0], and a paired difference is the bootstrap of the difference', () => {
    forAll([matrix(3, 4), matrix(3, 4), seeds], (x, y, seed) => {
      const design = { seeds: 3, examples: 4, replicates: 25 };
      const [a, b, again] = crossedBootstrap([cell(x), cell(y), cell(x)], design, createRng(seed)) ?? [];
      expect(percentileInterval(combineBootstraps([a!, again!], ([p, q]) => p - q))).toEqual({ lower: 0, upper: 0 });
      const paired = combineBootstraps([a!, b!], ([p, q]) => p - q);
      const difference = x.map((row, s) => row.map((v, e) => v - (y[s]![e] as number)));
      const [direct] = crossedBootstrap([cell(difference)], design, createRng(seed)) ?? [];
      expect(
        maxError([paired.estimate, ...paired.replicates], [direct!.estimate, ...direct!.replicates], {
          absolute: 1e-11,
          relative: 1e-11,
        }),
      ).toBeLessThanOrEqual(1);
    });
  });

  test('null where one unit is all there is to draw', () => {
    const one = (): number => 0;
    const run = (seedCount: number, examples: number, over: 'both' | 'seeds' | 'examples') =>
      crossedBootstrap([one], { seeds: seedCount, examples, over, replicates: 2 }, createRng(1));
    expect(run(1, 5, 'both')).toBeNull();
    expect(run(1, 5, 'seeds')).toBeNull();
    expect(run(1, 5, 'examples')).not.toBeNull();
    expect(run(5, 1, 'both')).toBeNull();
    expect(run(5, 1, 'seeds')).not.toBeNull();
  });
});

describe('stratified bootstrap', () => {
  test('runs are drawn within each task and independently: the exact law of a mean over 2 runs and 2 tasks', () => {
    const x = [
      [1, 10],
      [3, 40],
    ];
    const { rng, combinations } = everyDraw([2, 2, 2, 2]);
    const { replicates } = given(
      stratifiedBootstrap([x], ([drawn]) => meanOverTasks(drawn), rng, { replicates: combinations }),
    );
    const tasks = [
      [1, 2, 2, 3],
      [10, 25, 25, 40],
    ];
    const all = tasks[0]!.flatMap((a) => tasks[1]!.map((b) => (a + b) / 2)).sort((a, b) => a - b);
    expect(Array.from(replicates.toSorted())).toEqual(all);
  });

  test('every score drawn belongs to its task, or with tasks drawn again each column to one task, the same of all methods', () => {
    const x = [0, 1, 2].map((run) => [0, 1, 2, 3].map((task) => 10 * task + run));
    const y = [0, 1].map((run) => [0, 1, 2, 3].map((task) => 10 * task + run + 5));
    const columns = new Set<string>();
    for (const resampleTasks of [false, true]) {
      stratifiedBootstrap(
        [x, y],
        ([a, b]) => {
          expect([a.length, b.length]).toEqual([3, 2]);
          const tasks = [0, 1, 2, 3].map((slot) => new Set([...a, ...b].map((row) => Math.floor(row[slot]! / 10))));
          for (const task of tasks) expect(task.size).toBe(1);
          const order = tasks.flatMap((task) => [...task]).join();
          if (!resampleTasks) expect(order).toBe('0,1,2,3');
          else columns.add(order);
          return 0;
        },
        createRng(1),
        { replicates: 100, resampleTasks },
      );
    }
    expect(columns.size).toBeGreaterThan(50);
  });

  test('paired: X against itself is exactly [0, 0]; unpaired it is not', () => {
    forAll([matrix(3, 2), seeds], (x, seed) => {
      const run = (paired: boolean): Bootstrap =>
        given(
          stratifiedBootstrap([x, x], ([a, b]) => interquartileMean(a) - interquartileMean(b), createRng(seed), {
            replicates: 20,
            paired,
          }),
        );
      expect(percentileInterval(run(true))).toEqual({ lower: 0, upper: 0 });
    });
    const x = [[1], [2], [3]];
    const unpaired = given(stratifiedBootstrap([x, x], ([a, b]) => meanOverTasks(a) - meanOverTasks(b), createRng(1)));
    expect(popVariance(unpaired.replicates)).toBeCloseTo((2 * popVariance([1, 2, 3])) / 3, 1);
  });

  test('paired runs are drawn together: the exact law of the difference of two methods over 3 runs', () => {
    const [x, y] = [
      [[1], [5], [7]],
      [[0], [1], [9]],
    ];
    const { rng, combinations } = everyDraw([3, 3, 3]);
    const { replicates } = given(
      stratifiedBootstrap([x!, y!], ([a, b]) => meanOverTasks(a) - meanOverTasks(b), rng, {
        replicates: combinations,
        paired: true,
      }),
    );
    expect(popVariance(replicates)).toBeCloseTo(popVariance([1, 4, -2]) / 3, 12);
  });

  test('probability of improvement of two methods with different numbers of runs', () => {
    const result = given(
      stratifiedBootstrap(
        [
          [[1], [2], [3]],
          [[2], [2]],
        ],
        ([a, b]) => probabilityOfImprovement(a, b),
        createRng(1),
        {
          replicates: 500,
        },
      ),
    );
    expect(result.estimate).toBe(0.5);
    expect(percentileInterval(result)).toEqual({ lower: 1 / 6 - 1 / 6, upper: 1 });
  });

  test('null for a single run, and the scores are left alone', () => {
    expect(stratifiedBootstrap([[[1, 2]]], () => 0, createRng(1))).toBeNull();
    const x = [
      [1, 2],
      [3, 4],
    ];
    stratifiedBootstrap([x], ([drawn]) => meanOverTasks(drawn), createRng(1), { replicates: 10 });
    expect(x).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });
});

describe('combining', () => {
  test('the mean over data sets, and the independent ones add their variances', () => {
    const parts = [
      [1, 5, 9],
      [2, 2, 8],
      [0, 4],
    ].map((x, d) => given(bootstrap(x.length, meanAt(x), createRng(1).fork(`set ${d}`), { replicates: 20_000 })));
    const all = combineBootstraps(parts, (values) => mean(values));
    expect(all.estimate).toBeCloseTo((5 + 4 + 2) / 3, 12);
    expect(all.replicates[17]).toBeCloseTo(mean(parts.map(({ replicates }) => replicates[17]!)), 12);
    const variances = parts.map(({ replicates }) => popVariance(replicates));
    expect(Math.abs(popVariance(all.replicates) / (mean(variances) / 3) - 1)).toBeLessThan(0.05);
  });
});

describe('errors are sentences', () => {
  const rng = createRng(1);
  const none = [] as readonly (readonly number[])[];
  const cases: readonly [string, () => unknown, string][] = [
    ['option', () => quantile([1], 1.5), 'quantile: q must be in [0, 1]; got 1.5'],
    ['data', () => quantile([], 0.5), 'quantile: values must have at least 1 number; got 0'],
    ['option', () => bootstrap(0, () => 0, rng), 'bootstrap: n must be a whole number of at least 1; got 0'],
    [
      'option',
      () => bootstrap(3, () => 0, rng, { replicates: 0.5 }),
      'bootstrap: replicates must be a whole number of at least 1; got 0.5',
    ],
    ['data', () => bootstrap(3, () => Number.NaN, rng), 'bootstrap: the statistic must be finite; got NaN on the data'],
    [
      'data',
      () => bootstrap(3, (u) => (u.join() === '0,1,2' ? 0 : 1 / 0), rng),
      'bootstrap: the statistic must be finite; got Infinity on resample 0',
    ],
    [
      'option',
      () => bayesianBootstrap(-1, () => 0, rng),
      'bayesianBootstrap: n must be a whole number of at least 1; got -1',
    ],
    ['option', () => jackknife(1, () => 0), 'jackknife: n must be a whole number of at least 2; got 1'],
    [
      'option',
      () => percentileInterval(replicated(0, [1]), { level: 1 }),
      'percentileInterval: level must be in (0, 1); got 1',
    ],
    ['data', () => basicInterval(replicated(0, [])), 'basicInterval: replicates must have at least 1 number; got 0'],
    ['data', () => bcaInterval(replicated(0, [1]), [1]), 'bcaInterval: jackknifed must have at least 2 numbers; got 1'],
    ['data', () => studentInterval([1, Number.NaN]), 'studentInterval: values[1] must be finite; got NaN'],
    ['option', () => intervalCaution(1), 'intervalCaution: units must be a whole number of at least 2; got 1'],
    ['data', () => combineBootstraps([], () => 0), 'combineBootstraps: there is no bootstrap to combine'],
    [
      'shape',
      () => combineBootstraps([replicated(0, [1]), replicated(0, [1, 2])], () => 0),
      'combineBootstraps: bootstrap 1 must be of 1 replicates like bootstrap 0; got 2',
    ],
    [
      'data',
      () => crossedBootstrap([], { seeds: 2, examples: 2 }, rng),
      'crossedBootstrap: there is no method to resample',
    ],
    [
      'option',
      () => crossedBootstrap([() => 0], { seeds: 0, examples: 2 }, rng),
      'crossedBootstrap: seeds must be a whole number of at least 1; got 0',
    ],
    [
      'option',
      () => crossedBootstrap([() => 0], { seeds: 2, examples: 0 }, rng),
      'crossedBootstrap: examples must be a whole number of at least 1; got 0',
    ],
    [
      'option',
      () => crossedBootstrap([() => 0], { seeds: 2, examples: 2, over: 'all' as 'both' }, rng),
      `crossedBootstrap: over must be 'both', 'seeds' or 'examples'; got "all"`,
    ],
    [
      'shape',
      () => crossedBootstrap([() => 0], { seeds: 2, examples: 2, strata: [1] }, rng),
      'crossedBootstrap: strata must be of length 2; got length 1',
    ],
    [
      'data',
      () => crossedBootstrap([() => Number.NaN], { seeds: 2, examples: 2 }, rng),
      'crossedBootstrap: the statistic must be finite; got NaN on the data',
    ],
    ['data', () => stratifiedBootstrap([], () => 0, rng), 'stratifiedBootstrap: there is no method to resample'],
    [
      'data',
      () => stratifiedBootstrap([none], () => 0, rng),
      'stratifiedBootstrap: methods[0] must have at least one run and one task',
    ],
    [
      'shape',
      () => stratifiedBootstrap([[[1], [2]], [[1, 2]]], () => 0, rng),
      'stratifiedBootstrap: methods[1] must be of 1 tasks like methods[0]; got 2',
    ],
    [
      'shape',
      () => stratifiedBootstrap([[[1], [2]], [[1]]] as readonly Scores[], () => 0, rng, { paired: true }),
      'stratifiedBootstrap: methods[1] must be of 2 runs like methods[0], to be paired; got 1',
    ],
    [
      'data',
      () => stratifiedBootstrap([[[1], [Number.NaN]]], () => 0, rng),
      'stratifiedBootstrap: methods[0][1][0] must be finite; got NaN',
    ],
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
