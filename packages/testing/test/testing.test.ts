import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { finiteDifference, float32, float32Condition, forAll, forAllAsync, maxError } from '../src/index.ts';

test('forAll finds a counterexample and passes when there is none', () => {
  expect(() => forAll([fc.integer({ min: 0, max: 1000 })], (n) => expect(n).toBeLessThan(500))).toThrow(
    /Counterexample/,
  );
  forAll([fc.integer(), fc.integer()], (a, b) => expect(a + b).toBe(b + a));
});

test('forAllAsync waits for its property', async () => {
  await expect(forAllAsync([fc.integer()], async () => Promise.reject(new Error('no')))).rejects.toThrow(
    /Property failed/,
  );
});

test('forAll always runs its examples', () => {
  const seen: number[] = [];
  forAll([fc.integer({ min: 0, max: 3 })], (n) => void seen.push(n), { examples: [[99]], runs: 2 });
  expect(seen[0]).toBe(99);
});

test('maxError counts in tolerances', () => {
  expect(maxError([1, Number.NaN, Number.POSITIVE_INFINITY], [1, Number.NaN, Number.POSITIVE_INFINITY])).toBe(0);
  expect(maxError([1 + 2.1e-5], [1], float32)).toBeCloseTo(1, 3);
  expect(maxError([Number.NaN], [1])).toBe(Number.POSITIVE_INFINITY);
  expect(maxError([Number.POSITIVE_INFINITY], [Number.NEGATIVE_INFINITY])).toBe(Number.POSITIVE_INFINITY);
  expect(maxError([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
});

test('finiteDifference gives the gradient of a polynomial', () => {
  forAll([fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 1, maxLength: 5 })], (x) => {
    const gradient = finiteDifference((v) => v.reduce((sum, value, i) => sum + (i + 1) * value ** 3, 0), x);
    expect(
      maxError(
        gradient,
        x.map((value, i) => 3 * (i + 1) * value ** 2),
        { absolute: 1e-7, relative: 1e-7 },
      ),
    ).toBeLessThanOrEqual(1);
  });
});

test('float32Condition is one ulp of each input, times the slope', () => {
  const condition = float32Condition(([x, y]) => [3 * x!, x! - y!, 7], [1, -4]);
  expect([...condition]).toEqual([3 * 2 ** -23, 2 ** -23 + 2 ** -21, 0]);
});

test('draws the same inputs in every run', () => {
  const draw = (): number[] => {
    const seen: number[] = [];
    forAll([fc.nat()], (n) => void seen.push(n));
    return seen;
  };
  if (process.env['FC_RUNS'] === undefined) expect(draw()).toEqual(draw());
});
