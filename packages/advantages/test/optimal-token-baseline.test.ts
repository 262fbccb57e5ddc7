import { type Grid, gridOf, isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  drGrpo,
  type OptimalTokenBaselineInputs,
  optimalBaseline,
  optimalTokenBaseline,
  placeOutcome,
  rloo,
} from '../src/index.ts';
import { gridFrom, poisoned, real, validOf } from './trajectories.ts';

const close = { absolute: 1e-9, relative: 1e-9 };
const expectClose = (got: ArrayLike<number>, expected: ArrayLike<number>): void =>
  expect(maxError(got, expected, close)).toBeLessThanOrEqual(1);

type Full = Required<Omit<OptimalTokenBaselineInputs, 'groups'>> & { readonly groups: readonly number[] };

/** s² of a softmax over three tokens is between (1 − π)² (3/2) and 2 (1 − π)²: never close to 0 here. */
const batches: fc.Arbitrary<Full> = fc
  .record({ rows: fc.integer({ min: 1, max: 6 }), columns: fc.integer({ min: 1, max: 6 }) })
  .chain(({ rows, columns }) =>
    fc
      .record({
        rewards: gridFrom(rows, columns, real),
        probs: gridFrom(rows, columns, fc.double({ min: 0.05, max: 0.9, noNaN: true })),
        split: gridFrom(rows, columns, fc.double({ min: 0, max: 1, noNaN: true })),
        weights: gridFrom(rows, columns, fc.double({ min: 0.1, max: 2, noNaN: true })),
        mask: gridFrom(rows, columns, fc.constantFrom(0, 1, 1)),
        groups: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: rows, maxLength: rows }),
      })
      .map(({ probs, split, ...rest }) => ({
        ...rest,
        logProbs: { ...probs, data: probs.data.map(Math.log) },
        sumSquaredProbs: {
          ...probs,
          data: probs.data.map((p, i) => {
            const q = (split.data[i] as number) * (1 - p);
            return p ** 2 + q ** 2 + (1 - p - q) ** 2;
          }),
        },
      })),
  );

const at = (grid: Grid, position: number | undefined): number => grid.data[position as number] as number;

interface Settings {
  readonly byColumn: boolean;
  readonly zeroTail: boolean;
  readonly epsilon: number;
  readonly singleton: 'raw' | 'zero';
}

/** Rewards to go, and W, of every valid token; the baseline by plain search through the group. */
function oracle(x: Full, { byColumn, zeroTail, epsilon, singleton }: Settings) {
  const valid = validOf(x.mask);
  const { columns } = x.mask;
  const toGo = (row: number, i: number): number =>
    (valid[row] as number[]).slice(i).reduce((sum, p) => sum + at(x.rewards, p), 0);
  const weight = (row: number, i: number): number =>
    (valid[row] as number[]).slice(0, i + 1).reduce((sum, p) => {
      const norm = 1 - 2 * Math.exp(at(x.logProbs, p)) + at(x.sumSquaredProbs, p);
      return sum + norm * at(x.weights, p) ** 2;
    }, 0);
  const slot = (row: number, i: number): number => (byColumn ? (valid[row]?.[i] as number) % columns : i);
  const baseline = (row: number, i: number): number => {
    const others = valid.flatMap((tokens, j) => (tokens.length > 0 && x.groups[j] === x.groups[row] ? [j] : []));
    if (others.length === 1) return singleton === 'raw' ? 0 : toGo(row, i);
    const second = Math.max(...others.filter((j) => j !== row).map((j) => (valid[j] as number[]).length));
    if (zeroTail && (valid[row] as number[]).length > second && slot(row, i) >= second) return 0;
    let [products, totals] = [0, epsilon];
    for (const j of others) {
      (valid[j] as number[]).forEach((_, k) => {
        if (slot(j, k) !== slot(row, i)) return;
        products += weight(j, k) * toGo(j, k);
        totals += weight(j, k);
      });
    }
    return products / totals;
  };
  const [advantages, returns] = [new Float64Array(x.mask.data.length), new Float64Array(x.mask.data.length)];
  valid.forEach((tokens, row) => {
    tokens.forEach((position, i) => {
      returns[position] = toGo(row, i);
      advantages[position] = toGo(row, i) - baseline(row, i);
    });
  });
  return { advantages, returns };
}

/** Single tokens: their weights W and rewards. */
const singles = (weights: readonly number[], rewards: readonly number[]): OptimalTokenBaselineInputs => ({
  rewards: gridOf(rewards.map((r) => [r])),
  logProbs: gridOf(weights.map(() => [Math.log(0.5)])),
  sumSquaredProbs: gridOf(weights.map((w) => [w])), // 1 − 2 · 0.5 + w
  mask: gridOf(weights.map(() => [1])),
  groups: weights.map(() => 'a'),
});

describe('optimalTokenBaseline', () => {
  const settings = fc.record({
    byColumn: fc.boolean(),
    zeroTail: fc.boolean(),
    epsilon: fc.constantFrom(0, 1e-8, 0.5),
    singleton: fc.constantFrom('raw' as const, 'zero' as const),
  });

  test('is its definition, in every setting', () => {
    forAll([batches, settings], (x, of) => {
      const { byColumn, zeroTail, epsilon, singleton } = of;
      const expected = oracle(x, of);
      const options = { align: byColumn ? 'column' : 'token', zeroTail, epsilon, singleton } as const;
      const got = optimalTokenBaseline(x, options);
      expectClose(got.advantages.data, expected.advantages);
      expectClose(got.returns.data, expected.returns);
      expect(optimalTokenBaseline(poisoned(x, x.mask), options)).toEqual(got);
    });
  });

  test('numbers of the specification: w = (0.5, 2, 1, 1.5), R = (1, 0, 1, 0) have the baseline 0.3', () => {
    const { advantages } = optimalTokenBaseline(singles([0.5, 2, 1, 1.5], [1, 0, 1, 0]), { epsilon: 0 });
    expectClose(advantages.data, [0.7, -0.3, 0.7, -0.3]);
  });

  test('the weight is the squared norm of the gradient of log π by the logits', () => {
    const pi = [0.7, 0.2, 0.1];
    const squares = pi.reduce((sum, p) => sum + p * p, 0);
    const norms = pi.map((_, a) => pi.reduce((sum, p, v) => sum + ((v === a ? 1 : 0) - p) ** 2, 0));
    expectClose(norms, [0.14, 1.14, 1.34]);
    // The other response has weight 1 and reward 0: the baseline is W / (W + 1).
    norms.forEach((norm, a) => {
      const { advantages } = optimalTokenBaseline({
        ...singles([1, 1], [1, 0]),
        logProbs: gridOf([[Math.log(pi[a] as number)], [Math.log(0.5)]]),
        sumSquaredProbs: gridOf([[squares], [1]]),
      });
      expect(advantages.data[0]).toBeCloseTo(1 - norm / (norm + 1), 7);
    });
  });

  test('no other baseline has less Σ w (R − b)²; equal weights make it the mean; it is between the rewards', () => {
    const group = fc.array(fc.tuple(fc.double({ min: 0.1, max: 2, noNaN: true }), real), {
      minLength: 2,
      maxLength: 6,
    });
    forAll([group, real], (pairs, other) => {
      const [w, r] = [pairs.map(([weight]) => weight), pairs.map(([, reward]) => reward)];
      const { advantages } = optimalTokenBaseline(singles(w, r), { epsilon: 0 });
      const baseline = (r[0] as number) - (advantages.data[0] as number);
      const spread = (b: number): number => r.reduce((sum, reward, i) => sum + (w[i] as number) * (reward - b) ** 2, 0);
      expect(spread(baseline)).toBeLessThanOrEqual(spread(other) + 1e-9);
      expect(baseline).toBeGreaterThanOrEqual(Math.min(...r) - 1e-9);
      expect(baseline).toBeLessThanOrEqual(Math.max(...r) + 1e-9);
      const even = optimalTokenBaseline(
        singles(
          r.map(() => 1),
          r,
        ),
        { epsilon: 0 },
      ).advantages.data;
      const mean = r.reduce((a, b) => a + b, 0) / r.length;
      expectClose(
        even,
        r.map((reward) => reward - mean),
      );
    });
  });

  test('the same on top of every outcome of a group changes nothing', () => {
    forAll([batches, fc.array(real, { minLength: 6, maxLength: 6 }), real], (x, outcomes, shift) => {
      const run = (add: number): Float64Array => {
        const rewards = placeOutcome(
          outcomes.slice(0, x.mask.rows).map((r) => r + add),
          x.mask,
        );
        return optimalTokenBaseline({ ...x, rewards }, { zeroTail: false, epsilon: 0 }).advantages.data;
      };
      expectClose(run(shift), run(0));
    });
  });

  test('both alignments agree when the masked tokens are padding on the right', () => {
    forAll([batches, fc.boolean()], (x, zeroTail) => {
      const lengths = validOf(x.mask).map((tokens) => tokens.length);
      const mask = {
        ...x.mask,
        data: x.mask.data.map((_, i) =>
          i % x.mask.columns < (lengths[Math.floor(i / x.mask.columns)] as number) ? 1 : 0,
        ),
      };
      const run = (align: 'token' | 'column'): unknown => optimalTokenBaseline({ ...x, mask }, { align, zeroTail });
      expect(run('column')).toEqual(run('token'));
    });
  });

  test('counts what has no baseline', () => {
    const x = {
      ...singles([1, 1, 1, 1], [1, 0, 1, 1]),
      groups: ['a', 'a', 'b', 'b'],
      mask: gridOf([[1], [1], [1], [0]]),
    };
    const { advantages, metrics } = optimalTokenBaseline(x, { epsilon: 0 });
    expect([...advantages.data]).toEqual([0.5, -0.5, 0, 0]);
    expect([...optimalTokenBaseline(x, { epsilon: 0, singleton: 'raw' }).advantages.data]).toEqual([0.5, -0.5, 1, 0]);
    expect(metrics).toEqual({ emptyRows: 1, singletonGroups: 1, tailTokens: 0 });
    const tail = {
      rewards: gridOf([
        [0, 0, 3],
        [1, 0, 0],
      ]),
      logProbs: gridOf([
        [-1, -1, -1],
        [-1, -1, -1],
      ]),
      sumSquaredProbs: gridOf([
        [0.5, 0.5, 0.5],
        [0.5, 0.5, 0.5],
      ]),
      mask: gridOf([
        [1, 1, 1],
        [1, 0, 0],
      ]),
      groups: [7, 7],
    };
    const zeroed = optimalTokenBaseline(tail, { epsilon: 0 });
    expect([...zeroed.advantages.data]).toEqual([1, 3, 3, -1, 0, 0]);
    expect(zeroed.metrics['tailTokens']).toBe(2);
    expect([...optimalTokenBaseline(tail, { epsilon: 0, zeroTail: false }).advantages.data]).toEqual([
      1, 0, 0, -1, 0, 0,
    ]);
  });

  test('an error for a group of one, where asked for', () => {
    const alone = { ...singles([1, 1], [1, 0]), groups: ['a', 'b'] };
    expect(() => optimalTokenBaseline(alone, { singleton: 'throw' })).toThrow(
      'optimalTokenBaseline: group a must have two responses; got one',
    );
  });

  test('weights that are all 0 give the baseline 0', () => {
    expect([...optimalTokenBaseline(singles([0, 0], [1, 3]), { epsilon: 0 }).advantages.data]).toEqual([1, 3]);
  });

  const good = singles([1, 1], [1, 0]);
  test.each([
    [
      'option',
      () => optimalTokenBaseline(good, { align: 'x' as 'token' }),
      `align must be 'token' or 'column'; got "x"`,
    ],
    [
      'option',
      () => optimalTokenBaseline(good, { singleton: 'x' as 'raw' }),
      `singleton must be 'zero', 'raw' or 'throw'; got "x"`,
    ],
    [
      'option',
      () => optimalTokenBaseline(good, { epsilon: -1 }),
      'epsilon must be a finite number of at least 0; got -1',
    ],
    ['shape', () => optimalTokenBaseline({ ...good, groups: [1] }), 'groups must be of length 2; got length 1'],
    [
      'shape',
      () => optimalTokenBaseline({ ...good, weights: gridOf([[1]]) }),
      'weights must be [2, 1] like rewards; got [1, 1]',
    ],
    ['data', () => optimalTokenBaseline({ ...good, mask: gridOf([[1], [0.5]]) }), 'mask[1, 0] must be 0 or 1; got 0.5'],
    [
      'data',
      () => optimalTokenBaseline({ ...good, logProbs: gridOf([[1], [Number.NaN]]) }),
      'logProbs[1, 0] must be finite, for it counts; got NaN',
    ],
  ] as const)('%s error: case %#', (code, call, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect((thrown as Error).message).toBe(`optimalTokenBaseline: ${message}`);
    expect(isTsrlError(thrown, code)).toBe(true);
  });
});

describe('optimalBaseline', () => {
  const responses = fc.array(fc.option(real, { freq: 6, nil: null }), { minLength: 6, maxLength: 6 });
  const of = (x: Full, rewards: readonly (number | null)[]) => ({ ...x, rewards: rewards.slice(0, x.mask.rows) });

  /** w of every row, and the baseline by search through the group; `undefined` where there is nothing to compare. */
  function baselines(x: Full, rewards: readonly (number | null)[], leaveOneOut: boolean): (number | undefined)[] {
    const weights = validOf(x.mask).map((tokens) =>
      tokens.reduce((sum, p) => sum + 1 - 2 * Math.exp(at(x.logProbs, p)) + at(x.sumSquaredProbs, p), 0),
    );
    return weights.map((_, i) => {
      const group = weights.flatMap((_, j) => (x.groups[j] === x.groups[i] && rewards[j] !== null ? [j] : []));
      if (rewards[i] === null || group.length < 2) return undefined;
      const others = group.filter((j) => !leaveOneOut || j !== i);
      const total = others.reduce((sum, j) => sum + (weights[j] as number), 0);
      const share = (j: number): number => (total > 0 ? (weights[j] as number) / total : 1 / others.length);
      return others.reduce((sum, j) => sum + share(j) * (rewards[j] as number), 0);
    });
  }

  test('is its definition', () => {
    forAll([batches, responses, fc.boolean()], (x, rewards, leaveOneOut) => {
      const inputs = of(x, rewards);
      const got = optimalBaseline(inputs, { leaveOneOut });
      const expected = baselines(x, inputs.rewards, leaveOneOut).map((b, i) =>
        b === undefined ? 0 : (inputs.rewards[i] as number) - b,
      );
      expectClose(got.advantages, expected);
      expect(optimalBaseline(poisoned(inputs, x.mask), { leaveOneOut })).toEqual(got);
    });
  });

  test('numbers of the specification', () => {
    const inputs = { ...singles([0.5, 2, 1, 1.5], []), rewards: [1, 0, 1, 0] };
    expectClose(optimalBaseline(inputs).advantages, [0.7, -0.3, 0.7, -0.3]);
  });

  test('equal weights: the mean, or that of the others; left out of its baseline, no reward moves it', () => {
    forAll([batches, responses, real], (x, rewards, other) => {
      const { rewards: r, groups } = of(x, rewards);
      const flat = {
        ...singles(
          r.map(() => 1),
          [],
        ),
        groups,
        rewards: r,
      };
      expectClose(optimalBaseline(flat).advantages, drGrpo({ rewards: r, groups }).advantages);
      expectClose(optimalBaseline(flat, { leaveOneOut: true }).advantages, rloo({ rewards: r, groups }).advantages);
      if (r[0] === null) return;
      const moved = [other, ...r.slice(1)];
      const run = (of: readonly (number | null)[]): number =>
        optimalBaseline({ ...x, rewards: of }, { leaveOneOut: true }).advantages[0] as number;
      const alone = r.filter((one, i) => one !== null && groups[i] === groups[0]).length < 2;
      expectClose([run(moved) - run(r)], [alone ? 0 : other - (r[0] as number)]);
    });
  });

  test('groups without weight have the mean; a group of one has what `singleton` says', () => {
    const inputs = { ...singles([0, 0, 1, 1, 1], []), groups: ['a', 'a', 'b', 'c', 'c'], rewards: [1, 3, 5, 0, 0] };
    const { advantages, metrics } = optimalBaseline(inputs);
    expect([...advantages]).toEqual([-1, 1, 0, 0, 0]);
    expect(metrics).toEqual({
      groups: 3,
      singletonGroups: 1,
      equalGroups: 1,
      missingRewards: 0,
      weightlessGroups: 1,
      emptyRows: 0,
    });
    expect([...optimalBaseline(inputs, { singleton: 'raw', leaveOneOut: true }).advantages]).toEqual([-2, 2, 5, 0, 0]);
    // Beside the first, what the others weigh is lost in rounding: their mean takes over.
    const uneven = { ...singles([1000, 1e-14, 2e-14], []), rewards: [3, 1, 0] };
    expect(optimalBaseline(uneven, { leaveOneOut: true }).advantages[0]).toBeCloseTo(2.5, 12);
    expect(() => optimalBaseline(inputs, { singleton: 'throw' })).toThrow(
      'group b must have at least two rewards; got one',
    );
  });

  test('says what is wrong', () => {
    const good = { ...singles([1, 1], []), rewards: [1, 0] };
    expect(() => optimalBaseline({ ...good, rewards: [1] })).toThrow(
      'optimalBaseline: rewards must be of length 2; got length 1',
    );
    expect(() => optimalBaseline({ ...good, mask: gridOf([[1], [3]]) })).toThrow(
      'optimalBaseline: mask[1, 0] must be 0 or 1; got 3',
    );
    expect(() => optimalBaseline({ ...good, sumSquaredProbs: gridOf([[1], [Infinity]]) })).toThrow(
      'optimalBaseline: sumSquaredProbs[1, 0] must be finite, for it counts; got Infinity',
    );
  });
});
