import { createRng, gridOf, isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  combineRewards,
  consecutiveGroups,
  dynamicSampling,
  resample,
  resamplingWeights,
  spread,
  unequalGroups,
} from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-12 };

test('spread gives every valid token the advantage of its response', () => {
  const mask = gridOf([
    [0, 1, 1],
    [1, 0, 0],
    [0, 0, 0],
  ]);
  expect([...spread([2, -3, Number.NaN], mask).data]).toEqual([0, 2, 2, -3, 0, 0, 0, 0, 0]);
});

test('consecutiveGroups counts blocks of rows', () => {
  expect([...consecutiveGroups(6, 2)]).toEqual([0, 0, 1, 1, 2, 2]);
  expect([...consecutiveGroups(0, 4)]).toEqual([]);
});

describe('combineRewards', () => {
  test('is the weighted sum of what applies', () => {
    const components = [
      [1, null, null, 4],
      [10, 20, null, null],
    ];
    expect(combineRewards(components)).toEqual([11, 20, null, 4]);
    expect(combineRewards(components, { weights: [2, 0.5] })).toEqual([7, 10, null, 8]);
  });

  test('is linear in the weights', () => {
    const reward = fc.option(fc.integer({ min: -9, max: 9 }));
    forAll([fc.array(fc.tuple(reward, reward), { minLength: 1 }), fc.integer(), fc.integer()], (rows, w, v) => {
      const components = [rows.map(([a]) => a), rows.map(([, b]) => b)];
      const of = (weights: readonly number[]): number[] => combineRewards(components, { weights }).map(Number);
      const [first, second] = [of([1, 0]), of([0, 1])];
      const sum = first.map((a, i) => w * a + v * (second[i] as number));
      expect(maxError(of([w, v]), sum, tight)).toBeLessThanOrEqual(1);
    });
  });
});

describe('dynamic sampling', () => {
  const batch = { rewards: [1, 0, 1, 1, 0, null, 5], groups: ['a', 'b', 'a', 'b', 'c', 'c', 'd'] };

  test('keeps the groups whose rewards are not all equal', () => {
    expect(unequalGroups(batch)).toEqual([[1, 3]]);
    expect(unequalGroups(batch, { keepSingletons: true })).toEqual([[1, 3], [4, 5], [6]]);
    expect(unequalGroups({ rewards: [0.1, 0.1, 0.1], groups: [0, 0, 0] })).toEqual([]);
  });

  test('keeps exactly the groups with a smallest and a largest reward', () => {
    const row = fc.record({ reward: fc.option(fc.integer({ min: 0, max: 2 })), group: fc.integer({ min: 0, max: 3 }) });
    forAll([fc.array(row, { minLength: 1, maxLength: 12 })], (rows) => {
      const groups = rows.map(({ group }) => group);
      const kept = unequalGroups({ rewards: rows.map(({ reward }) => reward), groups });
      const expected = [...new Set(groups)]
        .map((id) => rows.map((_, i) => i).filter((i) => groups[i] === id))
        .filter((own) => new Set(own.map((i) => rows[i]?.reward).filter((r) => r !== null)).size > 1);
      expect(kept).toEqual(expected);
    });
  });

  test('collects until there are enough, and no more', () => {
    const { initial, update } = dynamicSampling({ prompts: 3, maxBatches: 3 });
    const mixed = { rewards: [0, 1, 0, 1], groups: [0, 0, 1, 1] };
    const first = update(initial, batch);
    expect(first).toEqual({ batches: 1, groups: [{ batch: 0, rows: [1, 3] }] });
    const second = update(JSON.parse(JSON.stringify(first)) as typeof first, { rewards: [1, 1], groups: [0, 0] });
    expect(second).toEqual({ ...first, batches: 2 });
    expect(update(second, mixed)).toEqual({
      batches: 3,
      groups: [
        { batch: 0, rows: [1, 3] },
        { batch: 2, rows: [0, 1] },
        { batch: 2, rows: [2, 3] },
      ],
    });
    expect(dynamicSampling({ prompts: 1 }).update(initial, mixed).groups).toEqual([{ batch: 0, rows: [0, 1] }]);
    expect(() => update({ ...second, groups: [] }, { rewards: [1], groups: [0] })).toThrow(
      'dynamicSampling: 3 batches must bring 3 groups of unequal rewards; got 0',
    );
  });
});

describe('filtering by rewards', () => {
  test('weighs by power, by extremes, and by the best', () => {
    const rewards = [1, -3, 0.5, 3, 3];
    const close = (got: Float64Array, expected: number[]): void => {
      expect(
        maxError(
          got,
          expected.map((w) => w + 1e-8),
          tight,
        ),
      ).toBeLessThanOrEqual(1);
    };
    close(resamplingWeights(rewards), [1, 9, 0.25, 9, 9]);
    close(resamplingWeights(rewards, { power: 1 }), [1, 3, 0.5, 3, 3]);
    close(resamplingWeights(rewards, { power: 0 }), [1, 1, 1, 1, 1]);
    close(resamplingWeights(rewards, { weights: 'extremes' }), [0, 1, 0, 1, 1]);
    close(resamplingWeights(rewards, { weights: 'best' }), [0.1, 0.1, 0.1, 0.4, 0.4]);
  });

  test('draws rows in proportion to their weights', () => {
    const weights = [1, 0, 3, 4];
    const drawn = resample(weights, 20_000, createRng(3));
    const shares = weights.map((_, row) => drawn.filter((i) => i === row).length / drawn.length);
    // Five standard deviations of a share of 20 000 draws are at most 0.018.
    weights.forEach((w, row) => {
      expect(Math.abs((shares[row] as number) - w / 8)).toBeLessThan(0.018);
    });
    expect(shares[1]).toBe(0);
    expect(resample(weights, 9, createRng(3))).toEqual(drawn.slice(0, 9));
  });
});

describe('bad input is named', () => {
  const cases: readonly (readonly [string, () => unknown])[] = [
    ['spread: advantages must be of length 1; got length 2', () => spread([1, 2], gridOf([[1]]))],
    ['spread: mask[0, 0] must be 0 or 1; got -1', () => spread([1], gridOf([[-1]]))],
    ['spread: the advantage at [1, 0] must be finite; got NaN', () => spread([1, NaN], gridOf([[1], [1]]))],
    [
      'consecutiveGroups: size must be a whole number of at least 1 that divides 10; got 4',
      () => consecutiveGroups(10, 4),
    ],
    ['consecutiveGroups: rows must be a whole number, at least 0; got -1', () => consecutiveGroups(-1, 1)],
    ['combineRewards: components must be at least one reward function; got none', () => combineRewards([])],
    ['combineRewards: components[0] must be of at least one response; got length 0', () => combineRewards([[]])],
    ['combineRewards: weights[0] must be finite; got NaN', () => combineRewards([[1]], { weights: [NaN] })],
    ['unequalGroups: groups must be of length 1; got length 2', () => unequalGroups({ rewards: [1], groups: [1, 2] })],
    ['dynamicSampling: prompts must be a whole number, at least 1; got 0', () => dynamicSampling({ prompts: 0 })],
    [
      'dynamicSampling: maxBatches must be a whole number, at least 1; got 1.5',
      () => dynamicSampling({ prompts: 1, maxBatches: 1.5 }),
    ],
    [
      "resamplingWeights: weights must be 'power', 'extremes' or 'best'; got \"pow\"",
      () => resamplingWeights([1], { weights: 'pow' as 'power' }),
    ],
    [
      'resamplingWeights: power must be a finite number of at least 0; got -1',
      () => resamplingWeights([1], { power: -1 }),
    ],
    ['resamplingWeights: rewards must be of at least one response; got length 0', () => resamplingWeights([])],
    ['resamplingWeights: rewards[0] must be finite; got NaN', () => resamplingWeights([NaN])],
    ['resample: weights[1] must be finite and at least 0; got -1', () => resample([1, -1], 1, createRng(1))],
    ['resample: one weight at least must be above 0; got zeros only', () => resample([0], 1, createRng(1))],
    ['resample: count must be a whole number, at least 0; got 0.5', () => resample([1], 0.5, createRng(1))],
  ];
  test.each(cases)('%s', (message, run) => {
    let error: unknown;
    try {
      run();
    } catch (thrown) {
      error = thrown;
    }
    expect(isTsrlError(error)).toBe(true);
    expect((error as Error).message).toBe(message);
  });
});
