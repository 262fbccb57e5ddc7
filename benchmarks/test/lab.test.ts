import { grpo } from '@tsrl/advantages';
import { estimators } from '@tsrl/advantages/registry';
import { describe, expect, test } from 'vitest';
import { type Measurement, measure, measureWith } from '../src/lab/measure.ts';
import { bandit, binary, tree } from '../src/lab/problem.ts';
import type { Rollout } from '../src/lab/rollouts.ts';

// The numbers of fixtures 1 and 2: closed forms and enumerations of their own (specification, chapter B.8).
const arms = bandit([0, 0.5, -0.3, 0.1], [1, 0, 0.5, 0.2]);
const of = (name: string) => estimators.find((entry) => entry.name === name)!;
const measured = (result: Measurement | string): Measurement => {
  if (typeof result === 'string') throw new Error(`nothing gives ${result}`);
  return result;
};
const close = (actual: readonly number[], expected: readonly number[], digits = 9): void =>
  expected.forEach((x, i) => {
    expect(actual[i]).toBeCloseTo(x, digits);
  });

describe('the laboratory', () => {
  test('has the exact gradients of the fixtures', () => {
    close(arms.gradient, [0.1437088664, -0.1298778163, 0.024052141, -0.0378831911]);
    close(tree().gradient, [0.0111786975, -0.0111786975, -0.1349961239, 0.1349961239, 0.0943515723, -0.0943515723]);
    close(binary([0.3]).gradient, [0.21]);
  });

  test('constant baselines leave the mean alone; variances are the known ones', () => {
    const centred = (baseline: number): Measurement =>
      measured(measureWith((rollouts) => (row) => rollouts[row]!.response.reward - baseline, arms, 1));
    for (const [baseline, variance] of [
      [0, 0.1908821037],
      [0.3540702624, 0.0698068475],
      [0.411787957, 0.0673805555],
    ] as const) {
      const { mean, variance: got } = centred(baseline);
      close(mean, arms.gradient, 12);
      expect(got).toBeCloseTo(variance, 9);
    }
    expect(centred(0).worth).toBeCloseTo(1, 12);
  });

  test('leave-one-out, group mean and group deviation are as enumerated elsewhere', () => {
    for (const [G, loo, mean] of [
      [2, 0.1086241716, 0.0271560429],
      [4, 0.0297385035, 0.0167279079],
    ] as const) {
      const rloo = measured(measure(of('rloo'), arms, G));
      close(rloo.mean, arms.gradient, 12);
      expect(rloo.variance).toBeCloseTo(loo, 9);
      const centred = measured(measure(of('drGrpo'), arms, G));
      expect(centred.scale).toBeCloseTo((G - 1) / G, 12);
      expect(centred.angle).toBeCloseTo(0, 4);
      expect(centred.variance).toBeCloseTo(mean, 9);
      expect(centred.worth).toBeCloseTo(rloo.worth, 9);
    }
    const grpoOf = (G: number): Measurement => {
      const estimate = (rollouts: readonly Rollout[]): ((row: number) => number) => {
        const rewards = rollouts.map(({ response }) => response.reward);
        const { advantages } = grpo({ rewards, groups: rewards.map(() => 0) }, { epsilon: 1e-4 });
        return (row) => advantages[row]!;
      };
      return measured(measureWith(estimate, arms, G));
    };
    const two = grpoOf(2);
    close(two.mean, [0.1222963453, -0.1641683013, 0.0454591928, -0.0035872368]);
    expect(Math.cos((two.angle * Math.PI) / 180)).toBeCloseTo(0.962231, 6);
    expect(two.variance).toBeCloseTo(0.1379627086, 9);
    const four = grpoOf(4);
    expect(Math.cos((four.angle * Math.PI) / 180)).toBeCloseTo(0.9850297, 6);
    expect(four.variance).toBeCloseTo(0.1224108637, 9); // the specification has 0.1224109037: two digits slipped
  });

  test('the group deviation multiplies the gradient of binary rewards by its closed form', () => {
    const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n, k - 1) * (n - k + 1)) / k);
    for (const p of [0.1, 0.5, 0.7]) {
      for (const G of [2, 4, 8]) {
        let kappa = 0;
        for (let k = 1; k < G; k++) kappa += choose(G, k) * p ** k * (1 - p) ** (G - k) * Math.sqrt(k * (G - k));
        kappa *= Math.sqrt((G - 1) / G) / (G * p * (1 - p)); // of the sample deviation
        const { scale, silent } = measured(measure(of('grpo'), binary([p]), G));
        expect(scale / kappa).toBeCloseTo(1, 3); // epsilon is 1e-4 in the one, 0 in the other
        expect(silent).toBeCloseTo(p ** G + (1 - p) ** G, 12);
      }
    }
  });

  test('GAE with exact values has no bias, whatever lambda', () => {
    close(measured(measure(of('gae'), tree(), 2)).mean, tree().gradient, 12);
  });

  test('takes every estimator whose inputs it can give, and says which not', () => {
    for (const entry of estimators) {
      const result = measure(entry, binary([0.2, 0.6]), 4);
      if (typeof result === 'string') continue;
      expect(Object.values(result).flat().every(Number.isFinite), entry.name).toBe(true);
    }
    const missing = estimators.map((entry) => [entry.name, measure(entry, tree(), 2)] as const);
    expect(missing.filter(([, result]) => typeof result === 'string').map(([name]) => name).length).toBeLessThan(
      estimators.length / 4,
    );
  });
});
