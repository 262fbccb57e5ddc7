import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Grid, gridOf, isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { discountedReturns, penalizeKl, placeOutcome } from '../src/index.ts';
import { gridFrom, poisoned, real, validOf } from './trajectories.ts';

const close = { absolute: 1e-10, relative: 1e-10 };
const expectClose = (got: ArrayLike<number>, expected: ArrayLike<number>): void =>
  expect(maxError(got, expected, close)).toBeLessThanOrEqual(1);

const batches = fc
  .record({ rows: fc.integer({ min: 1, max: 4 }), columns: fc.integer({ min: 1, max: 6 }) })
  .chain(({ rows, columns }) =>
    fc.record({
      rewards: gridFrom(rows, columns, real),
      logProbs: gridFrom(rows, columns, fc.double({ min: -5, max: 0, noNaN: true })),
      refLogProbs: gridFrom(rows, columns, fc.double({ min: -5, max: 0, noNaN: true })),
      mask: gridFrom(rows, columns, fc.constantFrom(0, 1, 1)),
    }),
  );
const beta = fc.double({ min: 0, max: 2, noNaN: true });
const estimates = {
  k1: (d: number) => d,
  abs: (d: number) => Math.abs(d),
  k2: (d: number) => 0.5 * d * d,
  k3: (d: number) => Math.exp(-d) - 1 + d,
};
const estimate = fc.constantFrom('k1' as const, 'abs' as const, 'k2' as const, 'k3' as const);

describe('penalizeKl', () => {
  test('is its definition', () => {
    forAll([batches, beta, estimate], (x, b, k) => {
      const cost = (at: number): number =>
        estimates[k]((x.logProbs.data[at] as number) - (x.refLogProbs.data[at] as number));
      const got = penalizeKl(x, { beta: b, estimate: k });
      const expected = x.mask.data.map((m, at) => (m === 1 ? (x.rewards.data[at] as number) - b * cost(at) : 0));
      expectClose(got.rewards.data, expected);
      const rows = validOf(x.mask).filter((row) => row.length > 0);
      const sums = rows.map((row) => row.reduce((sum, at) => sum + cost(at), 0));
      const n = Math.max(1, rows.length);
      const kl = sums.reduce((total, sum, i) => total + sum / (rows[i] as number[]).length, 0) / n;
      expectClose([got.metrics.kl, got.metrics.klPerSequence], [kl, sums.reduce((a, s) => a + s, 0) / n]);
      expect(penalizeKl(poisoned(x, x.mask), { beta: b, estimate: k })).toEqual(got);
    });
  });

  test('beta 0, or the reference itself, leaves the rewards; k2, k3 and abs never add to them', () => {
    forAll([batches, beta, estimate], (x, b, k) => {
      const kept = x.rewards.data.map((r, at) => (x.mask.data[at] === 1 ? r : 0));
      expectClose(penalizeKl(x, { beta: 0, estimate: k }).rewards.data, kept);
      expectClose(penalizeKl({ ...x, refLogProbs: x.logProbs }, { beta: b, estimate: k }).rewards.data, kept);
      const { rewards, metrics } = penalizeKl(x, { beta: b, estimate: k === 'k1' ? 'k3' : k });
      expect(rewards.data.every((r, at) => r <= (kept[at] as number) + 1e-12)).toBe(true);
      expect(metrics.kl).toBeGreaterThanOrEqual(0);
    });
  });

  test('with k1 the whole response earns its outcome less β times its log-ratio', () => {
    forAll([batches, beta, fc.array(real, { minLength: 4, maxLength: 4 })], (x, b, outcomes) => {
      const { rewards } = penalizeKl(
        { ...x, rewards: placeOutcome(outcomes.slice(0, x.mask.rows), x.mask) },
        { beta: b },
      );
      const toGo = discountedReturns({ rewards, mask: x.mask }).data;
      validOf(x.mask).forEach((row, i) => {
        if (row.length === 0) return;
        const logRatio = row.reduce(
          (sum, at) => sum + (x.logProbs.data[at] as number) - (x.refLogProbs.data[at] as number),
          0,
        );
        expectClose([toGo[row[0] as number] as number], [(outcomes[i] as number) - b * logRatio]);
      });
    });
  });

  test('the policy gradient of k1 in the reward is the gradient of the divergence', () => {
    // Three actions, logits z: −d KL / d z by differences against Σ π (r' − 0) ∇ log π, all actions enumerated.
    forAll([fc.array(real, { minLength: 3, maxLength: 3 }), fc.array(real, { minLength: 3, maxLength: 3 })], (z, y) => {
      const softmax = (of: readonly number[]): number[] => {
        const e = of.map((one) => Math.exp(one - Math.max(...of)));
        return e.map((one) => one / e.reduce((a, b) => a + b, 0));
      };
      const [pi, ref] = [softmax(z), softmax(y)];
      const one = (values: readonly number[]): Grid => gridOf(values.map((v) => [v]));
      const { rewards } = penalizeKl(
        {
          rewards: one([0, 0, 0]),
          logProbs: one(pi.map(Math.log)),
          refLogProbs: one(ref.map(Math.log)),
          mask: one([1, 1, 1]),
        },
        { beta: 1 },
      );
      const kl = (of: readonly number[]): number =>
        softmax(of).reduce((sum, p, a) => sum + p * Math.log(p / (ref[a] as number)), 0);
      z.forEach((_, v) => {
        const gradient = pi.reduce(
          (sum, p, a) => sum + p * (rewards.data[a] as number) * ((a === v ? 1 : 0) - (pi[v] as number)),
          0,
        );
        const at = (h: number): number => kl(z.map((x, i) => (i === v ? x + h : x)));
        expect(gradient).toBeCloseTo(-(at(1e-5) - at(-1e-5)) / 2e-5, 6);
      });
    });
  });

  const good = { rewards: gridOf([[1]]), logProbs: gridOf([[-1]]), refLogProbs: gridOf([[-2]]), mask: gridOf([[1]]) };
  test.each([
    ['option', () => penalizeKl(good, { beta: Infinity }), 'beta must be finite and at least 0; got Infinity'],
    ['option', () => penalizeKl(good, { beta: -1 }), 'beta must be finite and at least 0; got -1'],
    [
      'option',
      () => penalizeKl(good, { estimate: 'k4' as 'k1' }),
      `estimate must be 'k1', 'abs', 'k2' or 'k3'; got "k4"`,
    ],
    [
      'shape',
      () => penalizeKl({ ...good, refLogProbs: gridOf([[1, 1]]) }),
      'refLogProbs must be [1, 1] like rewards; got [1, 2]',
    ],
    ['data', () => penalizeKl({ ...good, mask: gridOf([[2]]) }), 'mask[0, 0] must be 0 or 1; got 2'],
    [
      'data',
      () => penalizeKl({ ...good, logProbs: gridOf([[Number.NaN]]) }),
      'logProbs[0, 0] must be finite, for it counts; got NaN',
    ],
    [
      'data',
      () => penalizeKl({ ...good, logProbs: gridOf([[-1000]]) }, { estimate: 'k3' }),
      'k3[0, 0] must be finite, for it counts; got Infinity',
    ],
  ] as const)('%s error: case %#', (code, call, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect((thrown as Error).message).toBe(`penalizeKl: ${message}`);
    expect(isTsrlError(thrown, code)).toBe(true);
  });
});

const file = fileURLToPath(new URL('../../../../shared/goldens/kl-penalty.verl.json', import.meta.url));

interface Tensor {
  readonly shape: readonly [number, number];
  readonly data: readonly number[];
}
interface GoldenCase {
  readonly name: string;
  readonly function: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly params: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

describe.skipIf(!existsSync(file))('apply_kl_penalty of verl (skipped without ../shared/goldens)', () => {
  test('the same rewards with k1, abs and k2', () => {
    const names: Readonly<Record<string, 'k1' | 'abs' | 'k2'>> = {
      kl: 'k1',
      k1: 'k1',
      abs: 'abs',
      mse: 'k2',
      k2: 'k2',
    };
    const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { readonly cases: readonly GoldenCase[] };
    const grid = ({ shape: [rows, columns], data }: Tensor): Grid => ({ rows, columns, data: Float64Array.from(data) });
    let compared = 0;
    for (const { function: name, inputs, params, outputs } of cases) {
      const estimate = names[String(params['kl_penalty'])];
      if (name !== 'apply_kl_penalty' || estimate === undefined) continue;
      const { rewards, metrics } = penalizeKl(
        {
          rewards: grid(inputs['token_level_scores'] as Tensor),
          logProbs: grid(inputs['old_log_probs'] as Tensor),
          refLogProbs: grid(inputs['ref_log_prob'] as Tensor),
          mask: grid(inputs['response_mask'] as Tensor),
        },
        { beta: params['init_kl_coef'] as number, estimate },
      );
      const mask = (inputs['response_mask'] as Tensor).data;
      const expected = (outputs['token_level_rewards'] as Tensor).data.map((r, i) => (mask[i] === 1 ? r : 0));
      expect(maxError(rewards.data, expected, { absolute: 1e-9, relative: 1e-7 })).toBeLessThanOrEqual(1);
      expect(metrics.kl).toBeCloseTo(Number(outputs['mean_kl']), 7);
      compared += 1;
    }
    expect(compared).toBeGreaterThan(0);
  });
});
