import { float64, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { logSigmoid, sigmoid, softplus } from '../src/index.ts';

const logits = fc.double({ min: -700, max: 700, noNaN: true });
const near = (actual: number, expected: number): void => {
  expect(maxError([actual], [expected], { absolute: 1e-300, relative: 1e-14 })).toBeLessThanOrEqual(1);
};

describe('logistic functions', () => {
  test('known values', () => {
    near(softplus(0), Math.LN2);
    near(softplus(0.4), 0.9130152523999526);
    near(softplus(-0.4), 0.5130152523999526);
    near(sigmoid(0.4), 0.598687660112452);
    near(logSigmoid(0), -Math.LN2);
    near(sigmoid(-40), 4.248354255291589e-18);
    near(softplus(-40), 4.248354255291589e-18);
  });

  test('limits, and no negative zero', () => {
    for (const [f, low, high] of [
      [softplus, 0, Number.POSITIVE_INFINITY],
      [sigmoid, 0, 1],
      [logSigmoid, Number.NEGATIVE_INFINITY, 0],
    ] as const) {
      expect(f(Number.NEGATIVE_INFINITY)).toBe(low);
      expect(f(Number.POSITIVE_INFINITY)).toBe(high);
      expect(f(Number.NaN)).toBeNaN();
    }
    expect(softplus(1e4)).toBe(1e4);
    expect(logSigmoid(-1e4)).toBe(-1e4);
    expect(softplus(-1e4)).toBe(0);
    expect(logSigmoid(1e4)).toBe(0);
  });

  test('identities: log σ(x) = −softplus(−x), σ(x) + σ(−x) = 1, softplus(x) − softplus(−x) = x', () => {
    forAll([logits], (x) => {
      expect(logSigmoid(x) === -softplus(-x)).toBe(true);
      near(sigmoid(x) + sigmoid(-x), 1);
      expect(maxError([softplus(x) - softplus(-x)], [x], float64)).toBeLessThanOrEqual(1e-3);
      near(Math.exp(logSigmoid(Math.max(x, -30))), sigmoid(Math.max(x, -30)));
    });
  });

  test('increase with x', () => {
    forAll([logits, logits], (x, y) => {
      const [low, high] = x < y ? [x, y] : [y, x];
      for (const f of [softplus, sigmoid, logSigmoid]) expect(f(low)).toBeLessThanOrEqual(f(high));
    });
  });
});
