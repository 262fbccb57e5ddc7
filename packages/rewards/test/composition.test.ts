import { runningMoments, varianceOf } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  aggregateSteps,
  clipFraction,
  componentMoments,
  composed,
  gated,
  implicitProcessRewards,
  lexicographic,
  minFormCredit,
  minimum,
  placeSteps,
  potentialShaping,
  product,
  type Reward,
  rewardDiagnostics,
  rewardModel,
  type Scores,
  scoreComponents,
  softOverlong,
  standardizedSum,
  stepRewards,
  symmetricPreference,
  thinkFormat,
  uncertaintyWeighted,
  weightedSum,
  whenTruncated,
} from '../src/index.ts';

const score = fc.oneof(fc.constant(null), fc.double({ min: -3, max: 3, noNaN: true }));
const unit = fc.oneof(fc.constant(null), fc.double({ min: 0, max: 1, noNaN: true }));
const rows = (one: fc.Arbitrary<number | null>): fc.Arbitrary<(readonly [number | null, number | null])[]> =>
  fc.array(fc.tuple(one, one), { minLength: 1, maxLength: 8 });
const columns = (of: readonly (readonly [number | null, number | null])[]): { a: Scores; b: Scores } => ({
  a: of.map(([a]) => a),
  b: of.map(([, b]) => b),
});
const near = (actual: readonly (number | null)[], expected: readonly (number | null)[]): void => {
  expect(actual.map((x) => x === null)).toEqual(expected.map((x) => x === null));
  expect(
    maxError(
      actual.map((x) => x ?? 0),
      expected.map((x) => x ?? 0),
    ),
  ).toBeLessThanOrEqual(1);
};

describe('composed', () => {
  test('its sample has the columns of all components', () => {
    const reward = composed({ format: thinkFormat(), length: softOverlong({ maxLength: 9, cache: 3 }) }, weightedSum());
    expectTypeOf(reward).parameter(0).items.toHaveProperty('completion');
    expectTypeOf(reward).parameter(0).items.toHaveProperty('length');
    expectTypeOf<readonly { completion: string }[]>().not.toExtend<Parameters<typeof reward>[0]>();
  });

  test('awaits hooks, nests, and is a reward', async () => {
    const hook: Reward<{ readonly id: number }> = async (samples) => samples.map(({ id }) => (id === 0 ? null : id));
    const inner = composed(
      { hook, double: (samples: readonly { id: number }[]) => samples.map(({ id }) => 2 * id) },
      weightedSum(),
    );
    const outer = composed({ inner, hook }, weightedSum({ weights: { hook: 10 } }));
    expect(await outer([{ id: 0 }, { id: 1 }])).toEqual([0, 13]);
    expect(await outer([])).toEqual([]);
  });

  test('refuses scores that are none', async () => {
    const bad = (scores: Scores): Promise<unknown> => scoreComponents({ bad: () => scores }, [{}, {}]);
    await expect(bad([1])).rejects.toThrow('scoreComponents: the scores of bad must be one per sample, 2; got 1');
    await expect(bad([1, Number.NaN])).rejects.toThrow('bad must score sample 1 with a finite number or null; got NaN');
    expect(() => composed({}, weightedSum())).toThrow('composed: rewards must be at least one reward; got {}');
    expect(() => weightedSum({ weights: { c: 1 } })({ a: [1] }, [])).toThrow(
      'weightedSum: weights must be for a; got "c"',
    );
    expect(() => weightedSum({ weights: { a: Number.NaN } })).toThrow('weightedSum: weights.a must be finite');
  });
});

describe('combinations, and what null does in each', () => {
  test('weightedSum: of what applies; null where nothing does', () => {
    forAll([rows(score)], (of) => {
      const expected = of.map(([a, b]) => (a === null && b === null ? null : (a ?? 0) + 0.5 * (b ?? 0)));
      near(weightedSum({ weights: { b: 0.5 } })(columns(of), []), expected);
    });
  });

  test('product and minimum: of what applies; null where nothing does', () => {
    forAll([rows(unit)], (of) => {
      const both = of.map(([a, b]) => (a === null && b === null ? null : (a ?? 1) * Math.sqrt(b ?? 1)));
      near(product({ weights: { b: 0.5 } })(columns(of), []), both);
      const least = of.map(([a, b]) => (a === null ? b : b === null ? a : Math.min(a, b)));
      expect(minimum()(columns(of), [])).toEqual(least);
    });
    expect(product()({ a: [0], b: [1] }, [])).toEqual([0]);
    near(product({ floor: 1e-6, weights: { a: 0.5, b: 0.5 } })({ a: [0], b: [1] }, []), [1e-3]);
    expect(() => product()({ a: [2] }, [])).toThrow('product: a must score in [0, 1]; got 2');
    expect(() => product({ floor: 1 })).toThrow('product: floor must be in [0, 1); got 1');
    expect(() => product({ weights: { a: -1 } })).toThrow('product: weights.a must be at least 0; got -1');
    expect(() => product({ weights: { a: Number.POSITIVE_INFINITY } })).toThrow('product: weights.a must be finite');
  });

  test('gated: null where the gate is, or where it is open and nothing applies', () => {
    const gate = gated({ gate: 'g', otherwise: -3 });
    const scores = { g: [1, 0, null, 1, 0, 0.5], a: [2, 2, 2, null, null, 7], b: [1, 1, 1, null, null, null] };
    expect(gate(scores, [])).toEqual([3, -3, null, null, -3, 7]);
    expect(gated({ gate: 'g', threshold: 0.6 })(scores, [])).toEqual([3, 0, null, null, 0, 0]);
    expect(gated({ gate: 'g', combine: minimum() })(scores, [])).toEqual([1, 0, null, null, 0, 7]);
    near(gated({ gate: 'g', kind: 'soft', otherwise: -1 })({ g: [0.25, 0, null], a: [1, null, 1] }, []), [
      -0.5,
      -1,
      null,
    ]);
    expect(() => gate({ a: [1] }, [])).toThrow('gated: gate must be one of a; got "g"');
    expect(() => gate({ g: [1] }, [])).toThrow('gated: scores must be of a component beside the gate; got ["g"]');
    expect(() => gated({ gate: 'g', kind: 'soft' })({ g: [2], a: [1] }, [])).toThrow(
      'gated: g, a soft gate, must score in [0, 1]; got 2',
    );
    expect(() => gated({ gate: 'g', kind: 'x' as 'soft' })).toThrow("gated: kind must be 'hard' or 'soft'; got \"x\"");
  });

  test('lexicographic: the order of the quantised rows; null as soon as one is', () => {
    const steps = { a: 0.25, b: 0.1 };
    const grid = fc.record({ a: fc.integer({ min: 0, max: 4 }), b: fc.integer({ min: 0, max: 10 }) });
    forAll([grid, grid], (x, y) => {
      const scores = { b: [x.b / 10, y.b / 10], a: [x.a / 4, y.a / 4] };
      const [p, q] = lexicographic({ steps })(scores, []) as [number, number];
      expect(Math.sign(p - q)).toBe(Math.sign(x.a - y.a) || Math.sign(x.b - y.b));
    });
    expect(lexicographic({ steps })({ a: [null, 1], b: [1, null] }, [])).toEqual([null, null]);
    expect(() => lexicographic({ steps: { a: 0 } })).toThrow('lexicographic: steps.a must be in (0, 1]; got 0');
    expect(() => lexicographic({ steps })({ a: [1] }, [])).toThrow('lexicographic: steps must be for a; got "a, b"');
    expect(() => lexicographic({ steps: { a: 1 } })({ a: [2] }, [])).toThrow(
      'lexicographic: a must score in [0, 1]; got 2',
    );
  });

  test('standardizedSum: blind to the scale and the place of a component', () => {
    const tracker = componentMoments();
    forAll(
      [rows(score), fc.double({ min: 0.1, max: 9, noNaN: true }), fc.integer({ min: -9, max: 9 })],
      (of, scale, shift) => {
        const scores = columns(of);
        const moved = { ...scores, a: scores.a.map((a) => (a === null ? null : a * scale + shift)) };
        const sum = (x: { a: Scores; b: Scores }): Scores =>
          standardizedSum({ moments: tracker.update(tracker.initial, x), epsilon: 0 })(x, []);
        const applying = scores.a.filter((a) => a !== null);
        // Spread below the rounding of the shift is no spread.
        if (applying.length > 1 && Math.max(...applying) - Math.min(...applying) < 1e-6) return;
        const [before, after] = [sum(scores), sum(moved)];
        expect(
          maxError(
            after.map((x) => x ?? 0),
            before.map((x) => x ?? 0),
            { absolute: 1e-7, relative: 1e-7 },
          ),
        ).toBeLessThanOrEqual(1);
        expect(before.map((x) => x === null)).toEqual(of.map(([a, b]) => a === null && b === null));
      },
    );
    const moments = tracker.update(tracker.initial, { a: [1, 3, null], b: [5, null, null] });
    near(standardizedSum({ moments })({ a: [3, null, null], b: [7, 7, null], c: [1, null, null] }, []), [
      Math.SQRT1_2,
      0,
      null,
    ]);
    expect(() => standardizedSum({ moments, epsilon: -1 })).toThrow(
      'standardizedSum: epsilon must be a finite number of at least 0',
    );
  });

  test('componentMoments: in any batches, over what applies, until it freezes', () => {
    forAll([rows(score), rows(score)], (x, y) => {
      const tracker = componentMoments();
      const halves = tracker.update(tracker.update(tracker.initial, columns(x)), columns(y));
      const whole = tracker.update(tracker.initial, columns([...x, ...y]));
      for (const name of ['a', 'b'] as const) {
        const [p, q] = [halves[name] ?? runningMoments.initial, whole[name] ?? runningMoments.initial];
        near([p.count, p.mean, varianceOf(p)], [q.count, q.mean, varianceOf(q)]);
      }
    });
    const frozen = componentMoments({ freezeAfter: 2 });
    const once = frozen.update(frozen.initial, { a: [1, 2] });
    expect(frozen.update(once, { a: [100] })).toEqual(once);
    expect(() => componentMoments({ freezeAfter: 0 })).toThrow('componentMoments: freezeAfter must be positive; got 0');
  });

  test('uncertaintyWeighted: golden value', () => {
    const scores = { a: [1, null, null], b: [2, 3, null], c: [4, 3, null] };
    near(uncertaintyWeighted({ lambda: 0.5 })(scores, []), [1.5555555556, 3, null]);
    expect(minimum()(scores, [])).toEqual([1, 3, null]);
    expect(() => uncertaintyWeighted({ lambda: -1 })).toThrow(
      'uncertaintyWeighted: lambda must be a finite number of at least 0',
    );
  });

  test('whenTruncated', async () => {
    const given = (samples: readonly { score: number | null }[]): Scores => samples.map((sample) => sample.score);
    const samples = [
      { score: 1, truncated: true },
      { score: 1, truncated: false },
      { score: null, truncated: true },
    ];
    expect(await whenTruncated(given, { scale: 0.5 })(samples)).toEqual([0.5, 1, null]);
    expect(await whenTruncated(given, { replace: -0.5 })(samples)).toEqual([-0.5, 1, null]);
    expect(await whenTruncated(given, { add: -2 })(samples)).toEqual([-1, 1, null]);
    expect(() => whenTruncated(given, {})).toThrow(
      'whenTruncated: options must be exactly one of scale, replace and add; got {}',
    );
    expect(() => whenTruncated(given, { scale: 1, add: 1 })).toThrow('exactly one of scale, replace and add');
    expect(() => whenTruncated(given, { add: Number.NaN })).toThrow('whenTruncated: add must be finite; got NaN');
  });
});

describe('rewardModel', () => {
  const raw = (samples: readonly { s: number | null }[]): Scores => samples.map(({ s }) => s);
  const samples = [{ s: 8 }, { s: -2 }, { s: null }];

  test('centres, standardises, squashes and clips, in this order', async () => {
    expect(await rewardModel({ score: raw })(samples)).toEqual([8, -2, null]);
    expect(await rewardModel({ score: raw, clip: 5 })(samples)).toEqual([5, -2, null]);
    const moments = runningMoments.update(runningMoments.initial, [1, 2, 3]);
    near(await rewardModel({ score: raw, moments, clip: 5 })(samples), [5, -4, null]);
    near(await rewardModel({ score: raw, moments: runningMoments.initial })(samples), [0, 0, null]);
    const reference = (of: readonly unknown[]): Scores => of.map((_, i) => (i === 0 ? null : 1));
    near(await rewardModel({ score: raw, reference })(samples), [null, -3, null]);
    near(await rewardModel({ score: raw, squash: 'tanh' })(samples), [Math.tanh(8), Math.tanh(-2), null]);
    near(await rewardModel({ score: raw, squash: 'sigmoid' })(samples), [
      1 / (1 + Math.exp(-8)),
      1 / (1 + Math.exp(2)),
      null,
    ]);
  });

  test('refuses what is no score', async () => {
    await expect(rewardModel({ score: () => [Number.NaN] })([{}])).rejects.toThrow(
      'score must score sample 0 with a finite',
    );
    expect(() => rewardModel({ score: raw, clip: 0 })).toThrow('rewardModel: clip must be positive; got 0');
    expect(() => rewardModel({ score: raw, squash: 'x' as 'tanh' })).toThrow(
      "rewardModel: squash must be 'sigmoid' or 'tanh'",
    );
  });

  test('symmetricPreference', () => {
    forAll([fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })], (p, q) => {
      near([symmetricPreference(p, q) + symmetricPreference(q, p)], [1]);
    });
    expect(symmetricPreference(0.8, 0.4)).toBeCloseTo(0.7, 12);
    expect(() => symmetricPreference(2, 0)).toThrow('symmetricPreference: first must be in [0, 1]; got 2');
  });
});

describe('process rewards', () => {
  const scores = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 9 });

  test('aggregates', () => {
    const p = [0.9, 0.2, 0.7];
    const all = (['product', 'minimum', 'last', 'mean'] as const).map((by) => aggregateSteps(p, by));
    near(all, [0.126, 0.2, 0.7, 0.6]);
    expect(aggregateSteps([], 'mean')).toBe(0);
    expect(() => aggregateSteps(p, 'x' as 'last')).toThrow(
      "aggregateSteps: by must be 'product', 'minimum', 'last' or 'mean'",
    );
  });

  test('values telescope, rewards stay, steps are placed', () => {
    forAll([scores, fc.double({ min: 0, max: 1, noNaN: true })], (p, baseline) => {
      const sum = stepRewards(p, { baseline }).reduce((total, r) => total + r, 0);
      near([sum], [(p.at(-1) as number) - baseline]);
      expect(Array.from(stepRewards(p, { scores: 'reward' }))).toEqual(p);
    });
    expect(Array.from(placeSteps([0.5, 0.25], [1, 3], 5))).toEqual([0, 0.5, 0, 0.25, 0]);
    expect(() => placeSteps([], [], -1)).toThrow('placeSteps: tokens must be a whole number of at least 0; got -1');
    expect(() => implicitProcessRewards([1], [1], Number.POSITIVE_INFINITY)).toThrow(
      'beta must be positive and finite',
    );
    expect(() => placeSteps([1], [1, 2], 5)).toThrow('placeSteps: ends must be of length 1; got length 2');
    expect(() => placeSteps([1, 1], [2, 2], 5)).toThrow(
      'placeSteps: ends[1] must be a token after 2 and before 5; got 2',
    );
    expect(() => stepRewards([1], { scores: 'x' as 'value' })).toThrow(
      "stepRewards: scores must be 'value' or 'reward'",
    );
  });

  test('shaping sums to minus the potential of the start, discounted', () => {
    forAll([scores, fc.double({ min: 0, max: 1, noNaN: true })], (potentials, gamma) => {
      const sum = potentialShaping(potentials, gamma).reduce((total, f, t) => total + gamma ** t * f, 0);
      near([sum], [-(potentials[0] as number)]);
    });
    expect(() => potentialShaping([1], 2)).toThrow('potentialShaping: gamma must be in [0, 1]; got 2');
  });

  test('min-form credit: golden value, tends to the worst step', () => {
    const p = [0.9, 0.2, 0.7];
    expect(minFormCredit(p).reduce((sum, r) => sum + r, 0)).toBeCloseTo(0.2039769, 7);
    near(Array.from(minFormCredit(p, 1e-3)), [0, 0.2, 0]);
    expect(() => minFormCredit(p, 0)).toThrow('minFormCredit: temperature must be positive; got 0');
  });

  test('implicit process rewards', () => {
    near(Array.from(implicitProcessRewards([-1, -2], [-1.5, -1], 0.1)), [0.05, -0.1]);
    expect(() => implicitProcessRewards([-1], [], 1)).toThrow(
      'implicitProcessRewards: refLogProbs must be of length 1',
    );
    expect(() => implicitProcessRewards([], [], 0)).toThrow(
      'implicitProcessRewards: beta must be positive and finite; got 0',
    );
  });
});

describe('rewardDiagnostics', () => {
  test('an example by hand', () => {
    const scores = { a: [1, 0, 1, null], b: [0, 0, 1, 1] };
    const total = weightedSum({ weights: { b: 2 } })(scores, []);
    const { components, correlations, zeroVarianceGroups, lengthCorrelation } = rewardDiagnostics(scores, {
      total,
      groups: ['p', 'p', 'q', 'q'],
      lengths: [10, 5, 400, 20],
      weights: { b: 2 },
    });
    near([components['a']!.mean, components['a']!.std, components['a']!.nullRate], [2 / 3, Math.sqrt(2 / 9), 0.25]);
    near([correlations['a']!['b']!, correlations['a']!['a']!], [0.5, 1]);
    expect(zeroVarianceGroups).toBe(0);
    // Totals 1, 0, 3, 2 rank like the lengths but for the first two of the upper half: 1, 0, 3, 2.
    near([lengthCorrelation!.spearman], [1]);
    expect(lengthCorrelation!.pearson).toBeLessThan(0.95);
    expect(rewardDiagnostics({ a: [1, 1, null] }, { total: [1, 1, null], groups: [1, 1, 2] }).zeroVarianceGroups).toBe(
      1,
    );
    expect(rewardDiagnostics({ a: [1, 1] }).correlations).toEqual({ a: { a: null } });
    expect(rewardDiagnostics({}).components).toEqual({});
    expect(() => rewardDiagnostics({ a: [1] }, { lengths: [] })).toThrow(
      'rewardDiagnostics: lengths must be of length 1',
    );
  });

  test('shares of variance sum to 1', () => {
    const number = fc.double({ min: -3, max: 3, noNaN: true });
    forAll([fc.array(fc.tuple(number, number), { minLength: 2, maxLength: 9 })], (of) => {
      const scores = columns(of);
      const total = weightedSum({ weights: { b: 0.5 } })(scores, []);
      const spread = Math.max(...(total as number[])) - Math.min(...(total as number[]));
      if (spread < 1e-3) return;
      const { components } = rewardDiagnostics(scores, { total, weights: { b: 0.5 } });
      near([components['a']!.varianceShare! + components['b']!.varianceShare!], [1]);
    });
  });

  test('clipFraction', () => {
    expect(clipFraction([5, -5, 1, null], 5)).toBeCloseTo(2 / 3, 12);
    expect(clipFraction([null], 5)).toBe(0);
  });
});
