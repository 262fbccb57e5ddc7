import { type Grid, gridOf, isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  offPolicyMetrics,
  type RejectionRule,
  type RolloutInputs,
  type RolloutWeightsOptions,
  rolloutRejection,
  rolloutWeights,
} from '../src/index.ts';
import { counted, gridFrom, poisoned, validOf } from './trajectories.ts';

const close = { absolute: 1e-10, relative: 1e-9 };
const expectClose = (got: ArrayLike<number>, expected: ArrayLike<number>): void =>
  expect(maxError(got, expected, close)).toBeLessThanOrEqual(1);

/** Log-probabilities of both; a few differences beyond 20. */
const rollouts: fc.Arbitrary<RolloutInputs> = fc
  .record({ rows: fc.integer({ min: 1, max: 4 }), columns: fc.integer({ min: 1, max: 6 }) })
  .chain(({ rows, columns }) =>
    fc.record({
      logProbs: gridFrom(rows, columns, fc.double({ min: -3, max: 0, noNaN: true })),
      rolloutLogProbs: gridFrom(
        rows,
        columns,
        fc.oneof({ weight: 30, arbitrary: fc.double({ min: -3, max: 0, noNaN: true }) }, fc.constant(-24.5)),
      ),
      mask: gridFrom(rows, columns, fc.constantFrom(0, 1, 1)),
    }),
  );

const logRatiosOf = ({ logProbs, rolloutLogProbs, mask }: RolloutInputs): number[][] =>
  validOf(mask)
    .filter((row) => row.length > 0)
    .map((row) => row.map((at) => (logProbs.data[at] as number) - (rolloutLogProbs.data[at] as number)));

const bounded = (x: number): number => (Math.abs(x) > 20 ? 20 * Math.sign(x) : x);
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const mean = (values: readonly number[]): number => (values.length === 0 ? 0 : sum(values) / values.length);
const fraction = (values: readonly number[], holds: (x: number) => boolean): number =>
  mean(values.map((x) => (holds(x) ? 1 : 0)));
const population = (values: readonly number[]): number => Math.sqrt(mean(values.map((x) => (x - mean(values)) ** 2)));

/** What both functions report of numbers per token, by row. */
function statistics(rows: readonly number[][], byToken: boolean, lower: number, upper: number, ideal: number) {
  const sequences = rows.map(mean);
  const units = byToken ? rows.flat() : sequences;
  const n = sequences.length;
  return {
    mean: mean(rows.flat()),
    max: n === 0 ? ideal : Math.max(...units),
    min: n === 0 ? ideal : Math.min(...units),
    above: fraction(units, (x) => x > upper),
    below: fraction(units, (x) => x < lower),
    sequenceMean: mean(sequences),
    sequenceStd: n < 2 ? 0 : Math.sqrt(sum(sequences.map((x) => (x - mean(sequences)) ** 2)) / (n - 1)),
    sequenceMax: n === 0 ? ideal : Math.max(...sequences),
    sequenceMin: n === 0 ? ideal : Math.min(...sequences),
    sequenceMaxDeviation: Math.max(0, ...sequences.map((x) => Math.abs(x - ideal))),
    sequenceAbove: fraction(sequences, (x) => x > upper),
    sequenceBelow: fraction(sequences, (x) => x < lower),
  };
}

function expectNumbers(got: Readonly<Record<string, unknown>>, expected: Readonly<Record<string, number>>): void {
  expect(Object.keys(got).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, value] of Object.entries(expected)) {
    expect({ [name]: maxError([got[name] as number], [value], close) <= 1 ? value : got[name] }).toEqual({
      [name]: value,
    });
  }
}

const options: fc.Arbitrary<Required<RolloutWeightsOptions>> = fc.record({
  level: fc.constantFrom('token' as const, 'sequence' as const, 'geometric' as const),
  outside: fc.constantFrom('truncate' as const, 'mask' as const),
  lower: fc.oneof(fc.constant(0), fc.double({ min: 0.1, max: 0.9, noNaN: true })),
  upper: fc.double({ min: 1.01, max: 4, noNaN: true }),
  normalize: fc.boolean(),
});

describe('rolloutWeights', () => {
  test('is its definition, and so is all that it reports', () => {
    forAll([rollouts, options], (x, of) => {
      const ratios = logRatiosOf(x).map((row) =>
        row.map((one) =>
          Math.exp(bounded(of.level === 'token' ? one : of.level === 'sequence' ? sum(row) : mean(row))),
        ),
      );
      const inside = (r: number): boolean => r >= of.lower && r <= of.upper;
      const moved = (r: number): number =>
        inside(r) ? r : of.outside === 'mask' ? 0 : r < of.lower ? of.lower : of.upper;
      const cut = ratios.map((row) => row.map(moved));
      const average = of.level === 'token' ? mean(cut.flat()) : mean(cut.map((row) => row[0] as number));
      const normalizer = of.normalize && average > 0 ? average : 1;
      const { weights, metrics } = rolloutWeights(x, of);
      expectClose(
        counted(weights, x.mask),
        cut.flat().map((w) => w / normalizer),
      );
      expect(weights.data.every((w, i) => x.mask.data[i] === 1 || w === 0)).toBe(true);
      const squares = sum(cut.flat().map((w) => w * w));
      expectNumbers(metrics, {
        ...statistics(ratios, of.level === 'token', of.lower, of.upper, 1),
        std: population(cut.flat()),
        effectiveSampleSize: squares === 0 ? 0 : sum(cut.flat()) ** 2 / (cut.flat().length * squares),
        normalizer,
      });
      expect(rolloutWeights(poisoned(x, x.mask), of)).toEqual({ weights, metrics });
    });
  });

  test('policies that agree have weight 1 at every token, and all tokens count', () => {
    forAll([rollouts, options], ({ logProbs, mask }, of) => {
      const { weights, metrics } = rolloutWeights({ logProbs, rolloutLogProbs: logProbs, mask }, of);
      expect(weights.data).toEqual(mask.data);
      expect(metrics.effectiveSampleSize).toBe(mask.data.includes(1) ? 1 : 0);
      expect([metrics.max, metrics.min, metrics.std, metrics.above, metrics.below]).toEqual([1, 1, 0, 0, 0]);
    });
  });

  test('of a sequence it is the product of its tokens, and the geometric mean its root', () => {
    forAll([rollouts], ({ logProbs, mask }) => {
      const inputs = { logProbs, rolloutLogProbs: { ...logProbs, data: logProbs.data.toReversed() }, mask };
      const of = (level: 'token' | 'sequence' | 'geometric'): Float64Array =>
        rolloutWeights(inputs, { level, upper: Number.POSITIVE_INFINITY }).weights.data;
      const [token, sequence, geometric] = [of('token'), of('sequence'), of('geometric')];
      for (const row of validOf(mask)) {
        const product = row.reduce((p, at) => p * (token[at] as number), 1);
        if (Math.abs(Math.log(product)) > 19.9) continue;
        for (const at of row) {
          expectClose([sequence[at] as number, (geometric[at] as number) ** row.length], [product, product]);
        }
      }
    });
  });

  test('a ratio on a bound is inside', () => {
    const same = { logProbs: gridOf([[-1]]), rolloutLogProbs: gridOf([[-1]]), mask: gridOf([[1]]) };
    const { weights, metrics } = rolloutWeights(same, { outside: 'mask', lower: 1, upper: 1 });
    expect([weights.data[0], metrics.above, metrics.below]).toEqual([1, 0, 0]);
    expect(rolloutWeights(same, { upper: 0.5 }).weights.data[0]).toBe(0.5);
    const rules = [{ estimate: 'k1' as const, over: 'token' as const, lower: 0, upper: 0 }];
    expect(rolloutRejection(same, { rules }).metrics.rejectedTokens).toBe(0);
  });

  test('truncated again they stay', () => {
    forAll([rollouts, options], (x, { upper }) => {
      const bounds = { lower: 1 / upper, upper };
      const { weights } = rolloutWeights(x, bounds);
      const logProbs = { ...weights, data: weights.data.map((w) => Math.log(w)) };
      const again = rolloutWeights(
        { ...x, logProbs, rolloutLogProbs: { ...x.mask, data: x.mask.data.map(() => 0) } },
        bounds,
      );
      expectClose(again.weights.data, weights.data);
    });
  });

  test('normalised, their mean is 1 and the effective sample size the same: between that of one token and of all', () => {
    forAll([rollouts, options], (x, of) => {
      const plain = rolloutWeights(x, { ...of, level: 'token', normalize: false });
      const scaled = rolloutWeights(x, { ...of, level: 'token', normalize: true });
      expect(scaled.metrics).toEqual({ ...plain.metrics, normalizer: scaled.metrics.normalizer });
      const tokens = counted(plain.weights, x.mask);
      if (sum(tokens) === 0) return;
      expectClose([mean(counted(scaled.weights, x.mask))], [1]);
      expect(scaled.metrics.effectiveSampleSize).toBeGreaterThanOrEqual(1 / tokens.length - 1e-12);
      expect(scaled.metrics.effectiveSampleSize).toBeLessThanOrEqual(1 + 1e-12);
    });
  });

  test('sequence weights without a bound turn expectations under one policy into those under the other', () => {
    const p = fc.double({ min: 0.05, max: 0.95, noNaN: true });
    const worth = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 8, maxLength: 8 });
    forAll(
      [fc.array(p, { minLength: 3, maxLength: 3 }), fc.array(p, { minLength: 3, maxLength: 3 }), worth],
      (pi, mu, f) => {
        const bits = Array.from({ length: 8 }, (_, path) => [path & 1, (path >> 1) & 1, path >> 2]);
        const logOf = (of: readonly number[]): number[][] =>
          bits.map((path) => path.map((bit, t) => Math.log(bit === 1 ? (of[t] as number) : 1 - (of[t] as number))));
        const chance = (of: readonly number[]): number[] => logOf(of).map((row) => Math.exp(sum(row)));
        const { weights } = rolloutWeights(
          { logProbs: gridOf(logOf(pi)), rolloutLogProbs: gridOf(logOf(mu)), mask: gridOf(bits.map(() => [1, 1, 1])) },
          { level: 'sequence', upper: Number.POSITIVE_INFINITY },
        );
        const corrected = chance(mu).map((q, path) => q * (weights.data[3 * path] as number) * (f[path] as number));
        expectClose([sum(corrected)], [sum(chance(pi).map((q, path) => q * (f[path] as number)))]);
      },
    );
  });

  test('numbers of rollout-correction.verl and .trl', () => {
    // weights_sequence, the second row; token_mask of TRL, the largest of its first row
    const second = {
      logProbs: gridOf([[0.1323, -0.5338, 9]]),
      rolloutLogProbs: gridOf([[0, 0, 9]]),
      mask: gridOf([[1, 1, 0]]),
    };
    expect([...rolloutWeights(second, { level: 'sequence' }).weights.data].map((w) => w.toFixed(10))).toEqual([
      '0.6693153197',
      '0.6693153197',
      '0.0000000000',
    ]);
    const row = {
      logProbs: gridOf([[-1.0029, -0.0139]]),
      rolloutLogProbs: gridOf([[-1.592, -0.0974]]),
      mask: gridOf([[1, 1]]),
    };
    const masked = rolloutWeights(row, { outside: 'mask', lower: 0.5, upper: 1.5 }).weights.data;
    expect([...masked].map((w) => w.toFixed(9))).toEqual(['0.000000000', '1.087085215']);
    expect(rolloutWeights(row, { upper: 3 }).weights.data[0]).toBeCloseTo(1.802365556, 9);
  });
});

const rules: fc.Arbitrary<RejectionRule[]> = fc.array(
  fc.oneof(
    fc.record({
      estimate: fc.constant('k1' as const),
      over: fc.constantFrom('token' as const, 'sum' as const, 'mean' as const, 'max' as const),
      lower: fc.double({ min: -2, max: -0.1, noNaN: true }),
      upper: fc.double({ min: 0.1, max: 2, noNaN: true }),
    }),
    fc.record({
      estimate: fc.constantFrom('k2' as const, 'k3' as const),
      over: fc.constantFrom('token' as const, 'sum' as const, 'mean' as const, 'max' as const),
      upper: fc.double({ min: 0.01, max: 3, noNaN: true }),
    }),
  ),
  { minLength: 1, maxLength: 3 },
);

describe('rolloutRejection', () => {
  const estimate = { k1: (x: number) => -x, k2: (x: number) => (x * x) / 2, k3: (x: number) => Math.exp(x) - 1 - x };

  test('is its definition, and so is all that it reports', () => {
    forAll([rollouts, rules], (x, all) => {
      const { mask, rules: reports, metrics } = rolloutRejection(x, { rules: all });
      const kept = logRatiosOf(x).map((row) => row.map(() => true));
      all.forEach(({ estimate: k, over, lower = Number.NEGATIVE_INFINITY, upper }, r) => {
        const numbers = logRatiosOf(x).map((row) => {
          const tokens = row.map((one) => estimate[k](bounded(one)));
          if (over === 'token') return tokens;
          return tokens.map(() =>
            over === 'sum' ? sum(tokens) : over === 'mean' ? mean(tokens) : Math.max(...tokens),
          );
        });
        const bad = numbers.map((row) => row.map((one) => !(one >= lower && one <= upper)));
        bad.forEach((row, i) => {
          row.forEach((b, t) => {
            if (b) (kept[i] as boolean[])[t] = false;
          });
        });
        expectNumbers(reports[r] as unknown as Record<string, number>, {
          ...statistics(numbers, over === 'token', lower, upper, 0),
          std: population(numbers.flat().map((one) => Math.min(upper, Math.max(lower, one)))),
          rejectedTokens: bad.flat().filter(Boolean).length,
          rejectedSequences: bad.filter((row) => row.includes(true)).length,
        });
      });
      expect(counted(mask, x.mask)).toEqual(kept.flat().map(Number));
      expect(mask.data.every((m, i) => m === 0 || x.mask.data[i] === 1)).toBe(true);
      expect(metrics).toEqual({
        tokens: kept.flat().length,
        sequences: kept.length,
        rejectedTokens: kept.flat().filter((k) => !k).length,
        rejectedSequences: kept.filter((row) => row.includes(false)).length,
      });
      expect(rolloutRejection(poisoned(x, x.mask), { rules: all })).toEqual({ mask, rules: reports, metrics });
    });
  });

  test('several rules reject what any of them rejects, and what is rejected stays so', () => {
    forAll([rollouts, rules], (x, all) => {
      const { mask } = rolloutRejection(x, { rules: all });
      const each = all.map((rule) => rolloutRejection(x, { rules: [rule] }).mask.data);
      expect(mask.data).toEqual(x.mask.data.map((m, i) => (each.every((one) => one[i] === 1) ? m : 0)));
    });
  });

  test('k1 of tokens bounds the inverse ratio: it keeps the tokens that masked weights keep', () => {
    const bound = fc.double({ min: 1.05, max: 4, noNaN: true });
    forAll([rollouts, bound, bound], (x, a, b) => {
      const tight = logRatiosOf(x)
        .flat()
        .some((one) => [Math.log(a), -Math.log(b)].some((edge) => Math.abs(one - edge) < 1e-9));
      fc.pre(!tight);
      const { mask } = rolloutRejection(x, {
        rules: [{ estimate: 'k1', over: 'token', lower: -Math.log(a), upper: Math.log(b) }],
      });
      const { weights } = rolloutWeights(x, { outside: 'mask', lower: 1 / b, upper: a });
      expect(mask.data).toEqual(weights.data.map((w) => (w > 0 ? 1 : 0)));
    });
  });

  test('policies that agree lose nothing, and infinite bounds reject nothing', () => {
    forAll([rollouts, rules], (x, all) => {
      expect(rolloutRejection({ ...x, rolloutLogProbs: x.logProbs }, { rules: all }).mask.data).toEqual(x.mask.data);
      const open = all.map(({ estimate: k, over }) => ({ estimate: k, over, upper: Number.POSITIVE_INFINITY }));
      expect(rolloutRejection(x, { rules: open }).mask.data).toEqual(x.mask.data);
    });
  });
});

describe('offPolicyMetrics', () => {
  test('are their definitions', () => {
    forAll([rollouts], (x) => {
      const rows = validOf(x.mask).filter((row) => row.length > 0);
      const entropy = (of: Grid): number[] => rows.map((row) => -mean(row.map((at) => of.data[at] as number)));
      const [trained, rollout] = [entropy(x.logProbs), entropy(x.rolloutLogProbs)];
      const gaps = trained.map((h, i) => h - (rollout[i] as number));
      const ratios = logRatiosOf(x);
      const square = (one: number): number => Math.exp(2 * bounded(one)) - 1;
      const got = offPolicyMetrics(x);
      expectNumbers(got as unknown as Record<string, number>, {
        perplexity: mean(trained.map(Math.exp)),
        logPerplexity: mean(trained),
        rolloutPerplexity: mean(rollout.map(Math.exp)),
        rolloutLogPerplexity: mean(rollout),
        logPerplexityGap: mean(gaps),
        logPerplexityGapSize: mean(gaps.map(Math.abs)),
        logPerplexityGapMax: gaps.length === 0 ? 0 : Math.max(...gaps),
        logPerplexityGapMin: gaps.length === 0 ? 0 : Math.min(...gaps),
        perplexityRatio: mean(gaps.map(Math.exp)),
        kl: -mean(ratios.flat()),
        k3: mean(ratios.flat().map((one) => Math.exp(one) - one - 1)),
        chiSquare: mean(ratios.flat().map(square)),
        chiSquareSequence: mean(ratios.map((row) => square(sum(row)))),
        emptyRows: x.mask.rows - rows.length,
      });
      expect(got.k3).toBeGreaterThanOrEqual(0);
      expect(offPolicyMetrics(poisoned(x, x.mask))).toEqual(got);
    });
  });

  test('are 0 where the policies agree, and of a batch without a token', () => {
    forAll([rollouts], (x) => {
      const { kl, k3, chiSquare, chiSquareSequence, logPerplexityGapSize } = offPolicyMetrics({
        ...x,
        rolloutLogProbs: x.logProbs,
      });
      expect([Math.abs(kl), k3, chiSquare, chiSquareSequence, logPerplexityGapSize]).toEqual([0, 0, 0, 0, 0]);
    });
    const nothing = { logProbs: gridOf([[Number.NaN]]), rolloutLogProbs: gridOf([[Number.NaN]]), mask: gridOf([[0]]) };
    const { emptyRows, ...others } = offPolicyMetrics(nothing);
    expect(emptyRows).toBe(1);
    expect(Object.values(others).every((value) => Math.abs(value) === 0)).toBe(true);
    expect(rolloutWeights(nothing, { normalize: true }).metrics).toMatchObject({
      effectiveSampleSize: 0,
      normalizer: 1,
    });
    expect(rolloutRejection(nothing, { rules: [{ estimate: 'k3', over: 'max', upper: 1 }] }).mask.data).toEqual(
      new Float64Array(1),
    );
  });
});

describe('errors', () => {
  const one = gridOf([[1]]);
  const good = { logProbs: one, rolloutLogProbs: one, mask: one };
  const reject = (...list: unknown[]) => rolloutRejection(good, { rules: list as RejectionRule[] });
  test.each([
    [
      'option',
      () => rolloutWeights(good, { level: 'x' as 'token' }),
      `rolloutWeights: level must be 'token', 'sequence' or 'geometric'; got "x"`,
    ],
    [
      'option',
      () => rolloutWeights(good, { outside: 'x' as 'mask' }),
      `rolloutWeights: outside must be 'truncate' or 'mask'; got "x"`,
    ],
    [
      'option',
      () => rolloutWeights(good, { lower: -1 }),
      'rolloutWeights: lower must be finite and at least 0; got -1',
    ],
    [
      'option',
      () => rolloutWeights(good, { lower: 3 }),
      'rolloutWeights: upper must be positive and at least lower; got 2',
    ],
    [
      'option',
      () => rolloutWeights(good, { upper: Number.NaN }),
      'rolloutWeights: upper must be positive and at least lower; got NaN',
    ],
    [
      'shape',
      () => rolloutWeights({ ...good, mask: gridOf([[1, 1]]) }),
      'rolloutWeights: mask must be [1, 1] like logProbs; got [1, 2]',
    ],
    [
      'data',
      () => rolloutWeights({ ...good, mask: gridOf([[2]]) }),
      'rolloutWeights: mask[0, 0] must be 0 or 1; got 2',
    ],
    [
      'data',
      () => offPolicyMetrics({ ...good, rolloutLogProbs: gridOf([[-Infinity]]) }),
      'offPolicyMetrics: rolloutLogProbs[0, 0] must be finite, for it counts; got -Infinity',
    ],
    ['option', () => reject(), 'rolloutRejection: rules must be at least one rule; got []'],
    [
      'option',
      () => reject({ estimate: 'k4' }),
      `rolloutRejection: rules[0].estimate must be 'k1', 'k2' or 'k3'; got "k4"`,
    ],
    [
      'option',
      () => reject({ estimate: 'k1', over: 'token', upper: 1 }, { estimate: 'k2', over: 'all' }),
      `rolloutRejection: rules[1].over must be 'token', 'sum', 'mean' or 'max'; got "all"`,
    ],
    [
      'option',
      () => reject({ estimate: 'k3', over: 'sum', lower: 0, upper: 1 }),
      'rolloutRejection: rules[0].lower must be absent, but for k1; got 0',
    ],
    [
      'option',
      () => reject({ estimate: 'k2', over: 'sum', upper: Number.NaN }),
      'rolloutRejection: rules[0].upper must be positive, as k2 is; got NaN',
    ],
    [
      'option',
      () => reject({ estimate: 'k3', over: 'max', upper: 0 }),
      'rolloutRejection: rules[0].upper must be positive, as k3 is; got 0',
    ],
    [
      'option',
      () => reject({ estimate: 'k1', over: 'sum', upper: Number.NaN }),
      'rolloutRejection: rules[0].upper must be a number; got NaN',
    ],
    [
      'option',
      () => reject({ estimate: 'k1', over: 'mean', lower: 2, upper: 1 }),
      'rolloutRejection: rules[0].lower must be at most upper, 1; got 2',
    ],
    [
      'option',
      () => rolloutWeights(good, { upper: 0 }),
      'rolloutWeights: upper must be positive and at least lower; got 0',
    ],
  ] as const)('%s: case %#', (code, call, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect((thrown as Error).message).toBe(message);
    expect(isTsrlError(thrown, code)).toBe(true);
  });
});
