import { OptionError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { balancedClassWeights, effectiveClassWeights } from '../src/index.ts';

const size = fc.integer({ min: 1, max: 5000 });
const betas = fc.double({ min: 0, max: 0.9999, noNaN: true });
const close = (actual: readonly number[], expected: readonly number[]): void => {
  expect(maxError(actual, expected, { absolute: 1e-12, relative: 1e-11 })).toBeLessThanOrEqual(1);
};

test('balanced weights: both classes count half', () => {
  close(balancedClassWeights([90, 10]), [100 / 180, 5]);
  forAll([size, size], (n0, n1) => {
    const [w0, w1] = balancedClassWeights([n0, n1]);
    close([n0 * w0, n1 * w1], [(n0 + n1) / 2, (n0 + n1) / 2]);
    expect(balancedClassWeights([n1, n0])).toEqual([w1, w0]);
  });
});

describe('effective-number weights', () => {
  test('against the definition: an effective number is a geometric sum', () => {
    forAll([fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 400 }), betas], (n0, n1, beta) => {
      const effective = (n: number): number => {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += beta ** k; // (1 − bⁿ) / (1 − b)
        return sum;
      };
      const raw = [1 / effective(n0), 1 / effective(n1)] as const;
      const mean = (n0 * raw[0] + n1 * raw[1]) / (n0 + n1);
      close(effectiveClassWeights([n0, n1], { beta }), [raw[0] / mean, raw[1] / mean]);
    });
  });

  test('an example counts 1 in the mean; 0 weighs alike, towards 1 balances; between the two, the rarer class more', () => {
    forAll([size, size, betas], (n0, n1, beta) => {
      const [w0, w1] = effectiveClassWeights([n0, n1], { beta });
      close([n0 * w0 + n1 * w1], [n0 + n1]);
      expect(effectiveClassWeights([n1, n0], { beta })).toEqual([w1, w0]);
      const [b0, b1] = balancedClassWeights([n0, n1]);
      const between = (w: number, b: number): boolean => w >= Math.min(1, b) - 1e-12 && w <= Math.max(1, b) + 1e-12;
      expect(between(w0, b0) && between(w1, b1)).toBe(true);
      close(effectiveClassWeights([n0, n1], { beta: 0 }), [1, 1]);
      const limit = effectiveClassWeights([n0, n1], { beta: 1 - 2 ** -50 });
      // 1 − bⁿ = n (1 − b) (1 − (n − 1) (1 − b) / 2 + …), n (1 − b) < 5000 / 2⁵⁰.
      close(limit, [b0, b1]);
    });
    // The default: 10 examples count as 9.955, 10 000 as 999.95.
    const [many, few] = effectiveClassWeights([10_000, 10]);
    expect(few / many).toBeCloseTo(999.9548 / 9.9551, 2);
  });
});

test.each([
  [
    () => balancedClassWeights([0, 3]),
    'balancedClassWeights: counts must be two integers of at least 1, for a class without examples has no weight; got [0,3]',
  ],
  [() => balancedClassWeights([1.5, 3]), 'balancedClassWeights: counts must be two integers of at least 1'],
  [() => effectiveClassWeights([2, 0]), 'effectiveClassWeights: counts must be two integers of at least 1'],
  [() => effectiveClassWeights([2, 2], { beta: 1 }), 'effectiveClassWeights: beta must be in [0, 1); got 1'],
  [() => effectiveClassWeights([2, 2], { beta: Number.NaN }), 'effectiveClassWeights: beta must be in [0, 1); got NaN'],
])('error %#', (call, message) => {
  expect(call).toThrow(OptionError);
  expect(call).toThrow(message);
});
