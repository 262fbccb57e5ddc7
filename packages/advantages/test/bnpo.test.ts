import { isTsrlError, type Moments, runningMoments, varianceOf } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { logBeta, logGamma } from '../src/beta.ts';
import { type BnpoOptions, betaNormalizer, bnpo, decomposedBnpo, successMoments, successRates } from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-11 };
const expectClose = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = tight): void => {
  expect(maxError(actual, expected, tolerance)).toBeLessThanOrEqual(1);
};

/** ln Γ by Stirling's series above 20, and downwards by the recurrence: shares nothing with the source. */
function stirling(x: number): number {
  if (x < 20) return stirling(x + 1) - Math.log(x);
  const series = 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5) - 1 / (1680 * x ** 7);
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
}
const lnB = (a: number, b: number): number => stirling(a) + stirling(b) - stirling(a + b);

/** BNPO from its definition, row by row; every group of at least two rewards in [0, 1]. */
function oracle(rewards: readonly number[], groups: readonly number[], cap = 200): { A: number[]; ab: number[] } {
  const mean = (x: readonly number[]): number => x.reduce((s, v) => s + v, 0) / x.length;
  const rateOf = (id: number): number => mean(rewards.filter((_, i) => groups[i] === id));
  const rates = [...new Set(groups)].map(rateOf);
  const mu = mean(rates);
  const v = rates.reduce((s, p) => s + (p - mu) ** 2, 0) / (rates.length - 1);
  let [alpha, beta] = [1, 1];
  if (rates.length > 1 && v > 1e-12) {
    const c = (mu * (1 - mu)) / v - 1;
    alpha = Math.max(1, 1 + (c * mu) / 3);
    beta = Math.max(1, 1 + (c * (1 - mu)) / 3);
    const over = (alpha + beta - 2) / cap;
    if (over > 1) [alpha, beta] = [1 + (alpha - 1) / over, 1 + (beta - 1) / over];
  }
  const A = rewards.map((r, i) => {
    const p = rateOf(groups[i] as number);
    if (p <= 0 || p >= 1) return 0;
    const density = Math.exp((alpha - 1) * Math.log(p) + (beta - 1) * Math.log(1 - p) - lnB(alpha, beta));
    return Math.min(1e6, 1 / density) * (r - p);
  });
  return { A, ab: [alpha, beta] };
}

/** Binary rewards of 1 to 5 prompts with 2 to 6 responses each, in any order. */
const grouped: fc.Arbitrary<{ rewards: number[]; groups: number[] }> = fc
  .array(fc.array(fc.boolean(), { minLength: 2, maxLength: 6 }), { minLength: 1, maxLength: 5 })
  .chain((prompts) => {
    const rows = prompts.flatMap((responses, id) => responses.map((success) => ({ id: 10 - 3 * id, success })));
    return fc.shuffledSubarray(rows, { minLength: rows.length });
  })
  .map((rows) => ({ rewards: rows.map(({ success }) => (success ? 1 : 0)), groups: rows.map(({ id }) => id) }));

/** Moments with these mean and population variance. */
const momentsOf = (mean: number, variance: number): Moments => ({ count: 8, mean, m2: 8 * variance });
const shape = (alpha: number, beta: number): BnpoOptions => ({ normalizer: { alpha, beta } });
const population = (moments: Moments): { alpha: number; beta: number } =>
  betaNormalizer(moments, { variance: 'population' });

describe('Gamma and Beta', () => {
  test('known values', () => {
    expectClose([logGamma(0.5)], [0.5723649429247001], { absolute: 1e-14, relative: 0 });
    expectClose([logGamma(1.5)], [-0.1207822376352452], { absolute: 1e-14, relative: 0 });
    expectClose([logGamma(10)], [12.801827480081469], { absolute: 0, relative: 1e-14 });
    expectClose([logGamma(1), logGamma(2)], [0, 0], { absolute: 1e-14, relative: 0 });
    expectClose([Math.exp(logBeta(1.5, 1.5))], [Math.PI / 8], { absolute: 0, relative: 1e-14 });
  });

  test('agree with the series of Stirling, and satisfy Γ(x + 1) = x Γ(x)', () => {
    forAll([fc.double({ min: 1e-6, max: 250, noNaN: true })], (x) => {
      expectClose([logGamma(x)], [stirling(x)], { absolute: 5e-13, relative: 1e-13 });
      expectClose([logGamma(x + 1)], [logGamma(x) + Math.log(x)], { absolute: 5e-13, relative: 1e-13 });
    });
  });
});

describe('betaNormalizer', () => {
  const parameter = fc.double({ min: 0.05, max: 20, noNaN: true });

  test('recovers the Beta distribution whose moments it is given', () => {
    forAll([parameter, parameter], (a, b) => {
      const mean = a / (a + b);
      const { alpha, beta } = population(momentsOf(mean, (mean * (1 - mean)) / (a + b + 1)));
      expectClose([alpha, beta], [1 + a / 3, 1 + b / 3], { absolute: 1e-9, relative: 1e-9 });
    });
  });

  test('no other Beta density makes the variance of the gradient smaller', () => {
    forAll([parameter, parameter, fc.double({ min: 0, max: 1 }), fc.double({ min: 0, max: 1 })], (a, b, s, t) => {
      if (Number.isNaN(s + t)) return;
      // Its logarithm, up to a constant; finite for α < (a + 3) / 2 and β < (b + 3) / 2.
      const variance = (alpha: number, beta: number): number =>
        2 * lnB(alpha, beta) + lnB(a + 3 - 2 * alpha, b + 3 - 2 * beta);
      const mean = a / (a + b);
      const { alpha, beta } = population(momentsOf(mean, (mean * (1 - mean)) / (a + b + 1)));
      const other = variance((0.01 + 0.98 * s) * ((a + 3) / 2), (0.01 + 0.98 * t) * ((b + 3) / 2));
      expect(other).toBeGreaterThanOrEqual(variance(alpha, beta) - 1e-9);
    });
  });

  test('GRPO exactly at a = b = 3/2; REINFORCE as a and b go to 0', () => {
    expect(population(momentsOf(0.5, 1 / 16))).toEqual({ alpha: 1.5, beta: 1.5 });
    const { alpha, beta } = population(momentsOf(0.3, 0.21 / (1 + 1e-6)));
    expectClose([alpha, beta], [1, 1], { absolute: 1e-6, relative: 0 });
  });

  test('nothing to fit: no rate, one rate, equal rates, more variance than a Beta distribution has', () => {
    const of = (...rates: number[]): Moments => runningMoments.update(runningMoments.initial, rates);
    for (const rates of [[], [0.3], [0.4, 0.4, 0.4], [0, 0], [1, 1], [0.5, 0.5 + 1e-7], [0, 1]]) {
      expect(betaNormalizer(of(...rates))).toEqual({ alpha: 1, beta: 1 });
    }
    // Without Bessel's correction, [0, 1] is the limit a = b = 0; with it, c < 0.
    expect(varianceOf(of(0, 1), 'population')).toBe(0.25);
    expect(betaNormalizer(of(0, 1), { variance: 'population' })).toEqual({ alpha: 1, beta: 1 });
  });

  test('a mean that misses 0 or 1 by the rounding of a merge is 0 or 1', () => {
    for (const mean of [-3.7e-186, 1 + 2 ** -52])
      expect(population(momentsOf(mean, 1e-3))).toEqual({ alpha: 1, beta: 1 });
  });

  test('bounds α + β − 2 and keeps the mean', () => {
    const moments = momentsOf(0.2, 1e-5);
    const { alpha, beta } = betaNormalizer(moments);
    expectClose([alpha, beta], [1 + 200 * 0.2, 1 + 200 * 0.8]);
    const loose = betaNormalizer(moments, { variance: 'population', maxConcentration: Number.POSITIVE_INFINITY });
    expectClose([loose.alpha], [1 + ((0.16 / 1e-5 - 1) * 0.2) / 3], { absolute: 0, relative: 1e-12 });
    expect(betaNormalizer(moments, { maxConcentration: 0 })).toEqual({ alpha: 1, beta: 1 });
  });
});

describe('bnpo', () => {
  test('golden: success rates 1/4, 1/2, 3/4, 1/2', () => {
    const rewards = [1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0];
    const { advantages, baseline, metrics } = bnpo({ rewards, groups: rewards.map((_, i) => i >> 2) });
    const digits = { absolute: 5e-9, relative: 0 };
    expectClose(advantages.slice(0, 4), [0.66737871, -0.22245957, -0.22245957, -0.22245957], digits);
    expectClose(advantages.slice(4, 8), [0.35007853, 0.35007853, -0.35007853, -0.35007853], digits);
    expectClose(baseline, [0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75, 0.5, 0.5, 0.5, 0.5]);
    expect(metrics['alpha']).toBeCloseTo(1.8333333333, 10);
    expect(metrics['beta']).toBeCloseTo(1.8333333333, 10);
    expect(metrics['unnormalized']).toBe(0);
  });

  test('golden: one prompt solved, one failed', () => {
    const rewards = [1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0];
    const { advantages, metrics } = bnpo({ rewards, groups: rewards.map((_, i) => `prompt ${i >> 2}`) });
    const expected = [0.73090496, -0.24363499, -0.24363499, -0.24363499, 0, 0, 0, 0, 0, 0, 0, 0];
    expectClose(advantages.slice(0, 12), expected, { absolute: 5e-9, relative: 0 });
    expectClose([advantages[12] as number, advantages[15] as number], [0.48301494, -0.48301494], {
      absolute: 5e-9,
      relative: 0,
    });
    expect(metrics['alpha']).toBeCloseTo(1.0510416667, 10);
    expect(metrics['beta']).toBeCloseTo(1.065625, 10);
    expect(metrics['equalGroups']).toBe(2);
  });

  test('is its definition', () => {
    forAll([grouped], ({ rewards, groups }) => {
      const { advantages, metrics } = bnpo({ rewards, groups });
      const { A, ab } = oracle(rewards, groups);
      expectClose(advantages, A);
      expectClose([metrics['alpha'] as number, metrics['beta'] as number], ab);
    });
  });

  test('α = β = 1: the reward less the mean of its group (REINFORCE with baseline, Dr. GRPO), (G − 1)/G of RLOO', () => {
    forAll([grouped], ({ rewards, groups }) => {
      const { advantages } = bnpo({ rewards, groups }, shape(1, 1));
      rewards.forEach((r, i) => {
        const others = rewards.filter((_, j) => j !== i && groups[j] === groups[i]);
        const sum = others.reduce((s, x) => s + x, 0);
        const G = others.length + 1;
        expectClose([advantages[i] as number], [r - (sum + r) / G]);
        expectClose([advantages[i] as number], [((G - 1) / G) * (r - sum / (G - 1))]);
      });
    });
  });

  test('α = β = 3/2: π/8 of GRPO with the population deviation', () => {
    forAll([grouped], ({ rewards, groups }) => {
      const { advantages } = bnpo({ rewards, groups }, shape(1.5, 1.5));
      rewards.forEach((r, i) => {
        const group = rewards.filter((_, j) => groups[j] === groups[i]);
        const mean = group.reduce((s, x) => s + x, 0) / group.length;
        const std = Math.sqrt(group.reduce((s, x) => s + (x - mean) ** 2, 0) / group.length);
        expectClose([advantages[i] as number], [std === 0 ? 0 : (0.3926990816987241 * (r - mean)) / std]);
      });
    });
  });

  test('sums to 0 over every group, for rewards between 0 and 1 too', () => {
    const some = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.double({ min: 0, max: 1, noNaN: true })), {
      minLength: 1,
      maxLength: 12,
    });
    forAll([some], (rows) => {
      const groups = rows.map(([id]) => id);
      const { advantages } = bnpo({ rewards: rows.map(([, r]) => r), groups }, { maxWeight: 10 });
      for (const id of groups) {
        const sum = advantages.reduce((s, a, i) => (groups[i] === id ? s + a : s), 0);
        expect(Math.abs(sum)).toBeLessThanOrEqual(1e-12);
      }
    });
  });

  test('swap symmetry: R → 1 − R maps (α, β) to (β, α) and A to −A', () => {
    forAll([grouped], ({ rewards, groups }) => {
      const plain = bnpo({ rewards, groups });
      const swapped = bnpo({ rewards: rewards.map((r) => 1 - r), groups });
      expectClose(
        swapped.advantages,
        plain.advantages.map((a) => -a),
      );
      const { alpha, beta } = plain.metrics as { alpha: number; beta: number };
      expectClose([swapped.metrics['beta'] as number, swapped.metrics['alpha'] as number], [alpha, beta]);
    });
  });

  test('an affine reward with its range is the reward', () => {
    forAll([grouped, fc.integer({ min: -9, max: 9 }), fc.integer({ min: 1, max: 9 })], (inputs, low, width) => {
      const rewards = inputs.rewards.map((r) => low + width * r);
      const { advantages } = bnpo({ ...inputs, rewards }, { range: [low, low + width] });
      expectClose(advantages, bnpo(inputs).advantages);
    });
  });

  test('only the ratio of densities matters: two normalizers differ by a factor per rate', () => {
    forAll([grouped], ({ rewards, groups }) => {
      const reinforce = bnpo({ rewards, groups }, shape(1, 1)).advantages;
      const { advantages, baseline } = bnpo({ rewards, groups }, shape(2, 1)); // density 2 p
      expectClose(
        advantages,
        reinforce.map((a, i) => (a === 0 ? 0 : a / (2 * (baseline[i] as number)))),
      );
    });
  });

  test('edge cases: one prompt, one response, equal rates, a prompt without rewards', () => {
    const one = bnpo({ rewards: [1, 0, 0, 1, 0], groups: [7, 7, 7, 7, 7] });
    expectClose(one.advantages, [0.6, -0.4, -0.4, 0.6, -0.4]);
    expect(one.metrics).toMatchObject({ alpha: 1, beta: 1, unnormalized: 1 });

    const singles = bnpo({ rewards: [1, 0, 1], groups: [1, 2, 3] });
    expect([...singles.advantages]).toEqual([0, 0, 0]);
    expect(singles.metrics).toMatchObject({ singletonGroups: 3, equalGroups: 0, unnormalized: 1 });

    const equal = bnpo({ rewards: [1, 0, 0, 1, 0.3, 0.3, 0.3], groups: [1, 1, 2, 2, 3, 3, 3] });
    expect([...equal.advantages.slice(4)]).toEqual([0, 0, 0]);
    const half = bnpo({ rewards: [1, 0, 0, 1], groups: [1, 1, 2, 2] });
    expect([...half.advantages]).toEqual([0.5, -0.5, -0.5, 0.5]);
    expect(half.metrics['unnormalized']).toBe(1);
    expect([...bnpo({ rewards: [1, 1, 1, 1], groups: [1, 1, 2, 2] }).advantages]).toEqual([0, 0, 0, 0]);
  });

  test('a single response, or a reward that does not apply, changes nothing for the others', () => {
    forAll([grouped, fc.boolean()], ({ rewards, groups }, success) => {
      const plain = bnpo({ rewards, groups });
      const more = bnpo({ rewards: [success ? 1 : 0, ...rewards, null], groups: [99, ...groups, groups[0] as number] });
      expect([...more.advantages]).toEqual([0, ...plain.advantages, 0]);
      expect(more.metrics['singletonGroups']).toBe(1);
      expect(bnpo({ rewards: [null, ...rewards], groups: [99, ...groups] }).advantages.slice(1)).toEqual(
        plain.advantages,
      );
    });
  });

  test('the weight is bounded, and the bound is counted', () => {
    const rewards = [1, ...Array.from({ length: 39 }, () => 0), 1, 0];
    const groups = rewards.map((_, i) => (i < 40 ? 0 : 1));
    const free = bnpo({ rewards, groups }, shape(7, 7));
    expect(free.advantages[0]).toBeGreaterThan(1e4);
    const { advantages, metrics } = bnpo({ rewards, groups }, { ...shape(8, 8), maxWeight: 10 });
    expectClose([advantages[0] as number], [10 * (1 - 1 / 40)]);
    expect(metrics['clampedGroups']).toBe(1);
    expect(free.metrics['clampedGroups']).toBe(0);
    expect(bnpo({ rewards, groups }, shape(30, 30)).advantages[0]).toBeCloseTo(1e6 * (1 - 1 / 40), 3);
  });

  test('a density below 1 at the ends (α < 1) is not asked there', () => {
    const { advantages } = bnpo({ rewards: [1, 1, 0, 0, 1, 0], groups: [1, 1, 2, 2, 3, 3] }, shape(0.5, 0.5));
    expectClose(advantages, [0, 0, 0, 0, Math.PI / 4, -Math.PI / 4]); // density 1 / (π √(p (1 − p)))
  });

  test('rewards that miss the range by rounding are at its end', () => {
    const { advantages, baseline } = bnpo({ rewards: [1 + 1e-12, 1, -1e-12], groups: [1, 1, 2] });
    expect([...advantages]).toEqual([0, 0, 0]);
    expect([...baseline]).toEqual([1, 1, 0]);
  });
});

describe('successRates and successMoments', () => {
  test('rates in the order of the first appearance, without single responses', () => {
    expect([...successRates({ rewards: [1, 0, 1, 1, null, 0], groups: ['b', 'a', 'b', 'a', 'b', 'c'] })]).toEqual([
      1, 0.5,
    ]);
    expect([...successRates({ rewards: [-1, 3], groups: [0, 0] }, { range: [-1, 3] })]).toEqual([0.5]);
  });

  test('decay 0 is the last batch, so that the running BNPO is BNPO; decay 1 is all batches', () => {
    const rates = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 });
    forAll([rates, rates, grouped], (x, y, inputs) => {
      const last = successMoments({ decay: 0 });
      const forgotten = last.update(last.update(last.initial, x), successRates(inputs));
      const running = bnpo(inputs, { normalizer: betaNormalizer(forgotten) });
      expectClose(running.advantages, bnpo(inputs).advantages, { absolute: 1e-9, relative: 1e-9 });

      const all = successMoments({ decay: 1 });
      const both = all.update(all.update(all.initial, x), y);
      const joined = runningMoments.update(runningMoments.initial, [...x, ...y]);
      expectClose(Object.values(both), Object.values(joined));
    });
  });

  test('is the moments of the rates weighted by decay to the age of their batch', () => {
    const rates = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 });
    const decays = fc.double({ min: 0.1, max: 1, noNaN: true });
    forAll([fc.array(rates, { minLength: 1, maxLength: 5 }), decays], (batches, decay) => {
      const tracker = successMoments({ decay });
      const state = batches.reduce((moments, batch) => tracker.update(moments, batch), tracker.initial);
      const seen = batches.filter((batch) => batch.length > 0);
      const weighted = seen.flatMap((batch, at) => batch.map((p) => ({ p, w: decay ** (seen.length - 1 - at) })));
      const count = weighted.reduce((s, { w }) => s + w, 0);
      const mean = weighted.reduce((s, { p, w }) => s + p * w, 0) / (count || 1);
      const m2 = weighted.reduce((s, { p, w }) => s + w * (p - mean) ** 2, 0);
      expectClose([state.count, state.mean, state.m2], [count, mean, m2]);
      expect(JSON.parse(JSON.stringify(state))).toEqual(state);
    });
  });
});

describe('decomposedBnpo', () => {
  test('is the weighted mean of the components', () => {
    forAll([grouped, fc.infiniteStream(fc.boolean()), fc.double({ min: 0, max: 9 })], (inputs, draws, w) => {
      if (Number.isNaN(w)) return;
      const { rewards, groups } = inputs;
      const format = rewards.map(() => (draws.next().value ? 1 : 0));
      const [a, b] = [bnpo({ rewards, groups }), bnpo({ rewards: format, groups })];
      const result = decomposedBnpo({ components: [rewards, format], groups }, { weights: [1, w] });
      const mean = a.advantages.map((x, i) => (x + w * (b.advantages[i] as number)) / (1 + w));
      expectClose(result.advantages, mean);
      expect(result.parts).toEqual([a, b]);
    });
  });

  test('identical components are one; a constant one contributes 0', () => {
    forAll([grouped, fc.integer({ min: 1, max: 4 })], ({ rewards, groups }, count) => {
      const { advantages } = bnpo({ rewards, groups });
      const same = decomposedBnpo({ components: Array.from({ length: count }, () => rewards), groups });
      expectClose(same.advantages, advantages);
      const disabled = decomposedBnpo({ components: [rewards, rewards.map(() => 0)], groups });
      expectClose(
        disabled.advantages,
        advantages.map((a) => a / 2),
      );
      expect(disabled.metrics['unnormalizedComponents']).toBeGreaterThanOrEqual(1);
    });
  });

  test('takes options for each component', () => {
    const groups = [0, 0, 1, 1];
    const { parts } = decomposedBnpo(
      {
        components: [
          [1, 0, 1, 0],
          [5, 3, 3, 3],
        ],
        groups,
      },
      { options: [shape(1.5, 1.5), { range: [3, 5] }] },
    );
    expectClose(
      (parts[0] as { advantages: Float64Array }).advantages,
      [1, -1, 1, -1].map((x) => (x * Math.PI) / 8),
    );
    expect((parts[1] as { baseline: Float64Array }).baseline[0]).toBe(0.5);
  });
});

describe('errors', () => {
  const two = { rewards: [1, 0], groups: [0, 0] };
  test.each([
    ['shape', () => bnpo({ rewards: [1], groups: [0, 0] }), 'bnpo: rewards must be of length 2; got length 1'],
    [
      'data',
      () => bnpo({ rewards: [1, 2], groups: [0, 0] }),
      'bnpo: rewards[1] must be in [0, 1], the range of rewards; got 2',
    ],
    [
      'data',
      () => bnpo({ rewards: [1, Number.NaN], groups: [0, 0] }, { range: [-1, 1] }),
      'bnpo: rewards[1] must be in [-1, 1], the range of rewards; got NaN',
    ],
    [
      'option',
      () => bnpo(two, { range: [1, 1] }),
      'bnpo: range must be two finite numbers, the lower one first; got [1,1]',
    ],
    [
      'option',
      () => bnpo(two, { range: [0, Number.POSITIVE_INFINITY] }),
      'bnpo: range must be two finite numbers, the lower one first; got [0,null]',
    ],
    ['option', () => bnpo(two, { maxWeight: 0 }), 'bnpo: maxWeight must be positive and finite; got 0'],
    ['option', () => bnpo(two, { maxWeight: Infinity }), 'bnpo: maxWeight must be positive and finite; got Infinity'],
    ['option', () => bnpo(two, shape(0, 1)), 'bnpo: alpha of the normalizer must be positive and finite; got 0'],
    [
      'option',
      () => bnpo(two, shape(1, Number.NaN)),
      'bnpo: beta of the normalizer must be positive and finite; got NaN',
    ],
    [
      'data',
      () => successRates({ rewards: [-1], groups: [0] }),
      'successRates: rewards[0] must be in [0, 1], the range of rewards; got -1',
    ],
    ['option', () => successMoments({ decay: 1.1 }), 'successMoments: decay must be in [0, 1]; got 1.1'],
    [
      'data',
      () => betaNormalizer(momentsOf(1.2, 0.1)),
      'betaNormalizer: the mean of the success rates must be in [0, 1]; got 1.2',
    ],
    [
      'option',
      () => betaNormalizer(momentsOf(0.5, 0.1), { variance: 'biased' as 'sample' }),
      `betaNormalizer: variance must be 'population' or 'sample'; got "biased"`,
    ],
    [
      'option',
      () => betaNormalizer(momentsOf(0.5, 0.1), { maxConcentration: -1 }),
      'betaNormalizer: maxConcentration must be at least 0; got -1',
    ],
    [
      'option',
      () => decomposedBnpo({ components: [], groups: [] }),
      'decomposedBnpo: components must be at least one; got []',
    ],
    [
      'option',
      () => decomposedBnpo({ components: [[1], [0]], groups: [0] }, { weights: [1, -1] }),
      'decomposedBnpo: weights must be 2 finite numbers of at least 0, not all 0; got [1,-1]',
    ],
    [
      'option',
      () => decomposedBnpo({ components: [[1], [0]], groups: [0] }, { weights: [0, 0] }),
      'decomposedBnpo: weights must be 2 finite numbers of at least 0, not all 0; got [0,0]',
    ],
    [
      'option',
      () => decomposedBnpo({ components: [[1]], groups: [0] }, { options: [] }),
      'decomposedBnpo: options must be one per component, 1; got 0',
    ],
    [
      'data',
      () => decomposedBnpo({ components: [[1], [9]], groups: [0] }),
      'decomposedBnpo: components[1][0] must be in [0, 1], the range of rewards; got 9',
    ],
    ['shape', () => bnpo({ rewards: [], groups: [] }), 'bnpo: rewards must be of at least one response; got length 0'],
  ] as const)('%s error, case %#', (code, call, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect((thrown as Error).message).toBe(message);
    expect(isTsrlError(thrown, code)).toBe(true);
  });
});
