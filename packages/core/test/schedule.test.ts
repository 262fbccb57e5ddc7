import { float64, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { constant, cosine, linear, toSchedule, warmup } from '../src/index.ts';

const value = fc.double({ min: -10, max: 10, noNaN: true });
const length = fc.integer({ min: 1, max: 200 });

describe.each([
  ['linear', linear],
  ['cosine', cosine],
] as const)('%s', (name, schedule) => {
  test('starts at its first value, ends exactly at its last and stays there', () => {
    forAll([value, value, length, fc.nat(1000)], (from, to, steps, later) => {
      const at = schedule(from, to, steps);
      expect(maxError([at(0)], [from])).toBeLessThanOrEqual(1);
      expect(at(steps)).toBe(to);
      expect(at(steps + later)).toBe(to);
    });
  });

  test('goes from one to the other without turning back, and is half-way in the middle', () => {
    forAll([value, value, length], (from, to, steps) => {
      const at = schedule(from, to, steps);
      const rounding = 1e-14;
      for (let step = 0; step < steps; step++) {
        expect(Math.sign(to - from) * (at(step + 1) - at(step))).toBeGreaterThanOrEqual(-rounding);
      }
      expect(maxError([at(steps / 2)], [(from + to) / 2], float64)).toBeLessThanOrEqual(1);
      expect(maxError([at(steps / 4) + at((3 * steps) / 4)], [from + to], float64)).toBeLessThanOrEqual(1);
    });
  });

  test('needs at least one whole step', () => {
    for (const steps of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => schedule(1, 0, steps)).toThrow(`${name}: steps must be an integer of at least 1; got ${steps}`);
    }
  });
});

test('known values', () => {
  expect([0, 1, 2, 3, 4, 5].map(linear(1, 0, 4))).toEqual([1, 0.75, 0.5, 0.25, 0, 0]);
  expect(maxError([0, 1, 2, 3, 4].map(cosine(2, 0, 4)), [2, 1 + Math.SQRT1_2, 1, 1 - Math.SQRT1_2, 0])).toBeLessThan(1);
  expect([0, 1, 2, 3, 4].map(warmup(3, 8))).toEqual([2, 4, 6, 8, 8]);
});

describe('warmup', () => {
  test('rises in equal steps to where the schedule starts, without a jump, then follows it', () => {
    forAll([value, value, length, fc.nat(200), fc.nat(400)], (from, to, steps, rise, later) => {
      const then = linear(from, to, steps);
      const at = warmup(rise, then);
      for (let step = 0; step < rise; step++) {
        const before = step === 0 ? 0 : at(step - 1);
        expect(maxError([at(step) - before], [from / (rise + 1)])).toBeLessThanOrEqual(1);
      }
      if (rise > 0) expect(maxError([at(rise) - at(rise - 1)], [from / (rise + 1)])).toBeLessThanOrEqual(1);
      expect(at(rise + later)).toBe(then(later));
    });
  });

  test('of no steps is the schedule itself; a negative number of steps is refused', () => {
    expect([0, 1, 5].map(warmup(0, linear(1, 0, 5)))).toEqual([0, 1, 5].map(linear(1, 0, 5)));
    expect(() => warmup(-1, 1)).toThrow('warmup: steps must be an integer of at least 0; got -1');
  });
});

test('toSchedule leaves a schedule as it is and repeats a number', () => {
  const half = linear(1, 0, 2);
  expect(toSchedule(half)).toBe(half);
  expect([0, 7, 1e9].map(toSchedule(0.3))).toEqual([0.3, 0.3, 0.3]);
  expect(constant(2)(99)).toBe(2);
});
