import { type Grid, gridOf, isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { discountedReturns, miniLlm } from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-12 };
const logProb = fc.double({ min: -6, max: 0, noNaN: true });
const grids = fc
  .array(fc.array(fc.tuple(logProb, logProb, fc.boolean()), { minLength: 4, maxLength: 4 }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((rows) => ({
    logProbs: gridOf(rows.map((row) => row.map(([student]) => student))),
    teacherLogProbs: gridOf(rows.map((row) => row.map(([, teacher]) => teacher))),
    mask: gridOf(rows.map((row) => row.map(([, , valid]) => Number(valid)))),
  }));
const gammas = fc.constantFrom(0, 0.5, 0.9, 1);

/** f(valid columns of the row from t on, as [reward, number of valid columns before it]) at every valid column. */
function oracle(
  { logProbs, teacherLogProbs, mask }: { logProbs: Grid; teacherLogProbs: Grid; mask: Grid },
  f: (ahead: readonly { reward: number; steps: number }[], before: number) => number,
): number[] {
  return Array.from(mask.data, (m, at) => {
    if (m === 0) return 0;
    const [start, end] = [at - (at % mask.columns), at - (at % mask.columns) + mask.columns];
    const ahead: { reward: number; steps: number }[] = [];
    for (let s = at; s < end; s++) {
      if (mask.data[s] === 0) continue;
      ahead.push({ reward: (teacherLogProbs.data[s] as number) - (logProbs.data[s] as number), steps: ahead.length });
    }
    return f(ahead, mask.data.slice(start, at).filter((valid) => valid === 1).length);
  });
}
const discounted = (gamma: number, ahead: readonly { reward: number; steps: number }[]): number =>
  ahead.reduce((sum, { reward, steps }) => sum + gamma ** steps * reward, 0);
const lengthOf = (gamma: number, ahead: readonly { steps: number }[]): number =>
  ahead.reduce((sum, { steps }) => sum + gamma ** steps, 0);

test('is its definition with every option', () => {
  forAll([grids, gammas, fc.boolean(), fc.constantFrom('token', 'response')], (inputs, gamma, normalized, from) => {
    const expected = oracle(inputs, (ahead, before) => {
      if (normalized) return discounted(gamma, ahead) / lengthOf(gamma, ahead);
      // Discounting from the start of the response with gamma 0 is no discounting by position: TRL takes r itself.
      return discounted(gamma, ahead) * (from === 'response' && gamma > 0 ? gamma ** before : 1);
    });
    const { advantages } = miniLlm(inputs, { gamma, lengthNormalized: normalized, discountFrom: from });
    expect(maxError(advantages.data, expected, tight)).toBeLessThanOrEqual(1);
  });
});

test('gives the numbers of the specification', () => {
  const inputs = {
    logProbs: gridOf([[0, 0, 0]]),
    teacherLogProbs: gridOf([[0.1, -0.2, 0.3]]),
    mask: gridOf([[1, 1, 1]]),
  };
  const near = { absolute: 1e-7, relative: 0 };
  const { advantages, metrics } = miniLlm(inputs);
  expect(maxError(advantages.data, [0.0666667, 0.05, 0.3], near)).toBeLessThanOrEqual(1);
  expect(
    maxError(miniLlm(inputs, { lengthNormalized: false }).advantages.data, [0.2, 0.1, 0.3], near),
  ).toBeLessThanOrEqual(1);
  expect([metrics['tokens'], (metrics['reward'] as number).toFixed(6)]).toEqual([3, '0.066667']);
});

test('with gamma 0 is the reward of the token, however it is counted', () => {
  forAll([grids, fc.boolean(), fc.constantFrom('token', 'response')], (inputs, lengthNormalized, discountFrom) => {
    const { advantages } = miniLlm(inputs, { gamma: 0, lengthNormalized, discountFrom });
    expect([...advantages.data].map((a) => a + 0)).toEqual(
      oracle(inputs, ([own]) => own?.reward ?? NaN).map((a) => a + 0),
    );
  });
});

test('not normalised is the discounted return of the reward', () => {
  forAll([grids, gammas], (inputs, gamma) => {
    const { logProbs, teacherLogProbs, mask } = inputs;
    const rewards = { ...mask, data: teacherLogProbs.data.map((p, i) => p - (logProbs.data[i] as number)) };
    const { advantages } = miniLlm(inputs, { gamma, lengthNormalized: false });
    expect(maxError(advantages.data, discountedReturns({ rewards, mask }, { gamma }).data, tight)).toBeLessThanOrEqual(
      1,
    );
  });
});

test('of padding with a length divides by it too', () => {
  const inputs = {
    logProbs: gridOf([[0, 0, 0, 0]]),
    teacherLogProbs: gridOf([[1, 3, 9, 9]]),
    mask: gridOf([[1, 1, 0, 0]]),
  };
  const { advantages } = miniLlm(inputs, { gamma: 0.5, maskedLength: 0.1 });
  const expected = [(1 + 1.5) / (1 + 0.5 + 0.1 * (0.25 + 0.125)), 3 / (1 + 0.1 * (0.5 + 0.25)), 0, 0];
  expect(maxError(advantages.data, expected, tight)).toBeLessThanOrEqual(1);
});

test('of a hole with a length discounts across it', () => {
  const inputs = { logProbs: gridOf([[0, 0, 0]]), teacherLogProbs: gridOf([[1, 9, 3]]), mask: gridOf([[1, 0, 1]]) };
  const { advantages } = miniLlm(inputs, { gamma: 0.5, maskedLength: 0.1 });
  expect(maxError(advantages.data, [(1 + 0.25 * 3) / (1 + 0.5 * 0.1 + 0.25), 0, 3], tight)).toBeLessThanOrEqual(1);
});

const grid = gridOf([[0, 0]]);
const inputs = { logProbs: grid, teacherLogProbs: grid, mask: gridOf([[1, 1]]) };
test.each<[string, () => unknown]>([
  ['miniLlm: gamma must be in [0, 1]; got 2', () => miniLlm(inputs, { gamma: 2 })],
  [
    "miniLlm: discountFrom must be 'token' or 'response'; got \"start\"",
    () => miniLlm(inputs, { discountFrom: 'start' as 'token' }),
  ],
  ['miniLlm: maskedLength must be a finite number of at least 0; got -1', () => miniLlm(inputs, { maskedLength: -1 })],
  [
    'miniLlm: teacherLogProbs must be [1, 2] like logProbs; got [1, 1]',
    () => miniLlm({ ...inputs, teacherLogProbs: gridOf([[1]]) }),
  ],
  ['miniLlm: mask[0, 1] must be 0 or 1; got 0.5', () => miniLlm({ ...inputs, mask: gridOf([[1, 0.5]]) })],
  [
    'miniLlm: logProbs[0, 0] must be finite, for it counts; got -Infinity',
    () => miniLlm({ ...inputs, logProbs: gridOf([[-Infinity, 0]]) }),
  ],
])('%s', (message, run) => {
  let error: unknown;
  try {
    run();
  } catch (thrown) {
    error = thrown;
  }
  expect(isTsrlError(error)).toBe(true);
  expect((error as Error).message).toBe(message);
});
