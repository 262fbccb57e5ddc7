import { isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adaptiveKl } from '../src/index.ts';

const close = { absolute: 1e-15, relative: 1e-14 };
const positive = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
const options = fc.record({ initial: positive, target: positive, horizon: fc.integer({ min: 1, max: 10_000 }) });
const observations = fc.record({
  kl: fc.double({ min: -10, max: 1e4, noNaN: true }),
  sequences: fc.integer({ min: 0, max: 60_000 }),
});

describe('adaptiveKl', () => {
  test('with the numbers of the specification', () => {
    const { initial, update } = adaptiveKl({ initial: 0.2, target: 6, horizon: 10_000 });
    expect(update(initial, { kl: 9, sequences: 256 })).toBeCloseTo(0.201024, 12);
    expect(update(initial, { kl: 5.4, sequences: 256 })).toBeCloseTo(0.199488, 12);
  });

  test('is its definition', () => {
    forAll([options, observations, positive], (of, { kl, sequences }, beta) => {
      let error = (kl - of.target) / of.target;
      if (error > 0.2) error = 0.2;
      if (error < -0.2) error = -0.2;
      let factor = 1 + error * (sequences / of.horizon);
      if (factor < 0.1) factor = 0.1;
      expect(adaptiveKl(of).initial).toBe(of.initial);
      // kl − target cancels near the target, to one ulp of kl against it; n / horizon magnifies that.
      const room = { absolute: 1e-15 * beta * (1 + sequences / of.horizon), relative: close.relative };
      expect(maxError([adaptiveKl(of).update(beta, { kl, sequences })], [beta * factor], room)).toBeLessThanOrEqual(1);
    });
  });

  test('rests at the target, saturates a fifth away from it, and never loses its sign', () => {
    forAll([options, positive, fc.integer({ min: 1, max: 60_000 })], (of, beta, sequences) => {
      const at = (kl: number): number => adaptiveKl(of).update(beta, { kl, sequences });
      expect(at(of.target)).toBe(beta);
      expect(at(1.21 * of.target)).toBe(at(100 * of.target));
      expect(at(0.79 * of.target)).toBe(at(-5));
      expect(at(0.9 * of.target)).toBeLessThan(beta);
      expect(at(1.1 * of.target)).toBeGreaterThan(beta);
      expect(at(1.2 * of.target)).toBeGreaterThan(at(1.1 * of.target));
      expect(at(-5)).toBeGreaterThanOrEqual(0.1 * beta);
    });
    expect(adaptiveKl({ horizon: 1 }).update(2, { kl: 0, sequences: 1000 })).toBe(0.2);
  });

  test('does not move without a sequence, and is JSON', () => {
    const { initial, update } = adaptiveKl();
    expect(initial).toBe(0.001);
    expect(update(initial, { kl: 3, sequences: 0 })).toBe(initial);
    const state = update(initial, { kl: 3, sequences: 7 });
    expect(JSON.parse(JSON.stringify(state))).toBe(state);
    // The defaults: 0.001 · (1 + 0.2 · 500 / 10 000) for any KL above 0.12.
    expect(update(initial, { kl: 0.13, sequences: 500 })).toBeCloseTo(0.00101, 15);
    expect(update(initial, { kl: 0.11, sequences: 500 })).toBeCloseTo(0.001005, 15);
  });

  test('says what is wrong', () => {
    for (const wrong of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const name of ['initial', 'target', 'horizon']) {
        expect(() => adaptiveKl({ [name]: wrong })).toThrow(
          `adaptiveKl: ${name} must be positive and finite; got ${wrong}`,
        );
      }
    }
    const { update } = adaptiveKl();
    for (const kl of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => update(1, { kl, sequences: 1 })).toThrow(`adaptiveKl: kl must be finite; got ${kl}`);
    }
    for (const sequences of [-1, 0.5, Number.NaN]) {
      expect(() => update(1, { kl: 1, sequences })).toThrow(
        `adaptiveKl: sequences must be a whole number, at least 0; got ${sequences}`,
      );
    }
    const thrown = (run: () => unknown): unknown => {
      try {
        return run();
      } catch (error) {
        return error;
      }
    };
    expect(
      isTsrlError(
        thrown(() => update(1, { kl: Number.NaN, sequences: 1 })),
        'divergence',
      ),
    ).toBe(true);
    expect(
      isTsrlError(
        thrown(() => adaptiveKl({ target: 0 })),
        'option',
      ),
    ).toBe(true);
  });
});
