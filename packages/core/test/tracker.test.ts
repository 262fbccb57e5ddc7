import { float64, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  correctedAverage,
  exponentialAverage,
  isTsrlError,
  type Moments,
  runningMoments,
  varianceOf,
} from '../src/index.ts';

const value = fc.double({ min: -1e3, max: 1e3, noNaN: true });
const batch = fc.array(value, { maxLength: 30 });
const { initial, update } = runningMoments;
const numbers = ({ count, mean, m2 }: Moments): number[] => [count, mean, m2];

/** Count, mean and sum of squared deviations in two plain passes. */
function oracle(values: readonly number[]): number[] {
  if (values.length === 0) return [0, 0, 0];
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return [values.length, mean, values.reduce((sum, x) => sum + (x - mean) ** 2, 0)];
}

describe('runningMoments', () => {
  test('any partition of the stream, in any order of its batches, gives the moments of the whole', () => {
    forAll([fc.array(batch, { maxLength: 8 })], (batches) => {
      const expected = oracle(batches.flat());
      expect(maxError(numbers(batches.reduce(update, initial)), expected, float64)).toBeLessThanOrEqual(1);
      expect(maxError(numbers(batches.toReversed().reduce(update, initial)), expected, float64)).toBeLessThanOrEqual(1);
      const oneByOne = batches.flat().reduce((state, x) => update(state, [x]), initial);
      expect(maxError(numbers(oneByOne), expected, float64)).toBeLessThanOrEqual(1);
    });
  });

  test('an empty batch changes nothing, and an update leaves its state alone', () => {
    forAll([batch, batch], (first, second) => {
      const state = Object.freeze(update(initial, first));
      expect(update(state, [])).toEqual(state);
      update(state, second);
      expect(state).toEqual(update(initial, first));
    });
  });

  test('shifting the stream moves the mean only, scaling scales it', () => {
    forAll([fc.array(value, { minLength: 1, maxLength: 30 }), value], (values, by) => {
      const [count, mean, m2] = numbers(update(initial, values)) as [number, number, number];
      const shifted = numbers(
        update(
          initial,
          values.map((x) => x + by),
        ),
      );
      expect(maxError(shifted, [count, mean + by, m2], { absolute: 1e-6, relative: 1e-7 })).toBeLessThanOrEqual(1);
      const scaled = numbers(
        update(
          initial,
          values.map((x) => -2 * x),
        ),
      );
      expect(maxError(scaled, [count, -2 * mean, 4 * m2])).toBeLessThanOrEqual(1);
    });
  });

  test('keeps a small spread around a large mean, where sums of squares lose it', () => {
    const values = Array.from({ length: 1000 }, (_, i) => 2 ** 30 + (i % 2));
    const state = [values.slice(0, 333), values.slice(333)].reduce(update, initial);
    expect(maxError([varianceOf(state, 'population')], [0.25])).toBeLessThanOrEqual(1);
  });

  test('continues exactly from JSON', () => {
    forAll([batch, batch], (first, second) => {
      const state = update(initial, first);
      expect(update(JSON.parse(JSON.stringify(state)) as Moments, second)).toEqual(update(state, second));
    });
  });

  test('refuses what is not finite', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => update(initial, [1, bad])).toThrow('runningMoments: the batch holds a value that is not finite');
    }
  });
});

test('varianceOf divides by n or by n − 1, and is 0 where it is not defined', () => {
  const moments = update(initial, [1, 2, 3, 6]);
  expect([moments.count, moments.mean, moments.m2]).toEqual([4, 3, 14]);
  expect(varianceOf(moments, 'population')).toBe(3.5);
  expect(varianceOf(moments, 'sample')).toBe(14 / 3);
  expect(varianceOf(moments)).toBe(14 / 3);
  expect(varianceOf(update(initial, [5]))).toBe(0);
  expect(varianceOf(initial, 'population')).toBe(0);
});

describe('exponentialAverage', () => {
  test('starts at the first value and is the weighted sum of what it saw', () => {
    const decay = fc.double({ min: 0, max: 0.999, noNaN: true });
    forAll([decay, fc.array(value, { minLength: 1, maxLength: 30 })], (decay, values) => {
      const average = exponentialAverage(decay);
      expect(average.initial).toBeNull();
      const last = values.length - 1;
      const expected = values.reduce((sum, x, i) => sum + x * decay ** (last - i) * (i === 0 ? 1 : 1 - decay), 0);
      const actual = values.reduce(average.update, average.initial) as number;
      expect(maxError([actual], [expected])).toBeLessThanOrEqual(1);
      expect(actual).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9);
      expect(actual).toBeLessThanOrEqual(Math.max(...values) + 1e-9);
    });
  });

  test('with decay 0 is the last value', () => {
    const { initial, update } = exponentialAverage(0);
    forAll([fc.array(value, { minLength: 1 })], (values) => {
      expect(maxError([values.reduce(update, initial) as number], [values.at(-1)!])).toBe(0);
    });
  });

  test('refuses a decay that forgets nothing', () => {
    for (const decay of [1, -0.1, Number.NaN]) {
      try {
        exponentialAverage(decay);
        expect.unreachable();
      } catch (error) {
        expect(isTsrlError(error, 'option')).toBe(true);
        expect(String(error)).toContain(`exponentialAverage: decay must be in [0, 1); got ${decay}`);
      }
    }
  });
});

describe('correctedAverage', () => {
  const decays = fc.double({ min: 0, max: 0.999, noNaN: true });

  test('is the mean in which each value counts decay times as much as the next', () => {
    forAll([decays, fc.array(value, { minLength: 1, maxLength: 30 })], (decay, values) => {
      const average = correctedAverage(decay);
      const weights = values.map((_, i) => decay ** (values.length - 1 - i));
      const total = weights.reduce((a, b) => a + b);
      const expected = values.reduce((sum, x, i) => sum + (x * (weights[i] as number)) / total, 0);
      const size = values.reduce((sum, x, i) => sum + Math.abs(x * (weights[i] as number)) / total, 0);
      const actual = average.value(values.reduce(average.update, average.initial));
      // 1 − decay^t keeps ten digits at decay 0.999.
      expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-10 * size + 1e-300);
    });
  });

  test('of equal values is that value, of one value it is that one, of none 0; a state is JSON', () => {
    forAll([decays, value, fc.integer({ min: 1, max: 50 })], (decay, x, count) => {
      const average = correctedAverage(decay);
      const state = Array.from({ length: count }, () => x).reduce(average.update, average.initial);
      expect(Math.abs(average.value(JSON.parse(JSON.stringify(state))) - x)).toBeLessThanOrEqual(
        1e-10 * Math.abs(x) + 1e-300,
      );
    });
    const { value: of, initial } = correctedAverage(0.9);
    expect(of(initial)).toBe(0);
  });

  test('with decay 0 is the last value', () => {
    const { initial, update, value: of } = correctedAverage(0);
    forAll([fc.array(value, { minLength: 1 })], (values) => {
      expect(maxError([of(values.reduce(update, initial))], [values.at(-1)!])).toBe(0);
    });
  });

  test('refuses a decay that forgets nothing', () => {
    expect(() => correctedAverage(1)).toThrow('correctedAverage: decay must be in [0, 1); got 1');
  });
});
