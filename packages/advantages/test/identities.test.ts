// What the specification lists for these methods and no other file holds: identities between methods, and degenerate
// batches of every entry of the registry.
import { createRng, type Grid, gridOf, runningMoments, varianceOf } from '@tsrl/core';
import { forAll, maxError, type Tolerance } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  adaptiveKl,
  betaNormalizer,
  cutpointStarts,
  discountedReturns,
  drGrpo,
  dynamicSampling,
  fixedStarts,
  type GroupInputs,
  gae,
  gpg,
  grpo,
  lambdaReturns,
  litePpo,
  normalizeAdvantages,
  offPolicyMetrics,
  penalizeKl,
  placeOutcome,
  policyDrift,
  probabilityMask,
  reinforce,
  reinforcePlusPlus,
  reinforcePlusPlusBaseline,
  remax,
  rloo,
  rolloutRejection,
  rolloutWeights,
  singleStreamSpo,
  spread,
  successRates,
  unequalGroups,
  whiten,
} from '../src/index.ts';
import { type EstimatorEntry, estimators } from '../src/registry.ts';

type Value = Grid | ArrayLike<number | null> | readonly ArrayLike<number | null>[];
type Inputs = Readonly<Record<string, Value>>;

const close: Tolerance = { absolute: 1e-10, relative: 1e-10 };
const expectClose = (got: ArrayLike<number>, expected: ArrayLike<number>, within = close): void =>
  expect(maxError(got, expected, within)).toBeLessThanOrEqual(1);
const mean = (x: readonly number[]): number => x.reduce((sum, y) => sum + y, 0) / x.length;

const number = fc.double({ min: -3, max: 3, noNaN: true });
/** Two to nine rewards in one to three groups; multiples of 1/8 so that no spread is between none and some. */
const batches: fc.Arbitrary<GroupInputs> = fc
  .array(fc.tuple(fc.integer({ min: -16, max: 16 }), fc.integer({ min: 0, max: 2 })), { minLength: 2, maxLength: 9 })
  .map((rows) => ({ rewards: rows.map(([r]) => r / 8), groups: rows.map(([, group]) => group) }));
/** One to five rows of one to six tokens, with rewards, values and a mask that may have holes. */
const tokens = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 6 })).chain(([rows, columns]) => {
  const size = { minLength: rows * columns, maxLength: rows * columns };
  const grid = (one: fc.Arbitrary<number>): fc.Arbitrary<Grid> =>
    fc.array(one, size).map((x) => ({ rows, columns, data: Float64Array.from(x) }));
  return fc.record({
    rewards: grid(number),
    values: grid(number),
    mask: grid(fc.constantFrom(0, 1, 1)),
    perRow: fc.array(number, { minLength: rows, maxLength: rows }),
  });
});

describe('between estimators', () => {
  test('one prompt per response makes single-stream SPO of baselines 0 the group normalization of the batch', () => {
    forAll([fc.array(number, { minLength: 1, maxLength: 8 }), number], (rewards, baseline) => {
      const baselines = rewards.map(() => baseline);
      const whole = { rewards, groups: rewards.map(() => 0) };
      const { advantages } = singleStreamSpo({ rewards, baselines });
      expectClose(advantages, grpo(whole, { epsilon: 1e-8 }).advantages, { absolute: 1e-6, relative: 1e-6 });
      expectClose(advantages, litePpo(whole, { epsilon: 1e-8 }).advantages, { absolute: 1e-6, relative: 1e-6 });
    });
  });

  test('rloo and drGrpo are linear in the rewards; two responses have the difference of their rewards', () => {
    forAll([batches, number, fc.nat()], ({ rewards, groups }, factor, seed) => {
      const rng = createRng(seed);
      const others = Array.from(rewards, () => rng.normal());
      const mixed = Array.from(rewards, (r, i) => (r as number) + factor * (others[i] as number));
      for (const estimate of [rloo, drGrpo]) {
        const [a, b] = [rewards, others].map((r) => estimate({ rewards: r, groups }).advantages);
        const expected = (a as Float64Array).map((x, i) => x + factor * ((b as Float64Array)[i] as number));
        expectClose(estimate({ rewards: mixed, groups }).advantages, expected);
      }
      const [x, y] = others as [number, number];
      expectClose(rloo({ rewards: [x, y], groups: ['a', 'a'] }).advantages, [x - y, y - x]);
    });
  });

  test('gpg is drGrpo times groups / unequal groups, hence drGrpo on what dynamic sampling keeps', () => {
    forAll([batches], (batch) => {
      const kept = unequalGroups(batch);
      const groups = new Set(Array.from(batch.groups)).size;
      const alpha = kept.length === 0 ? 0 : groups / kept.length;
      expectClose(
        gpg(batch).advantages,
        drGrpo(batch).advantages.map((a) => alpha * a),
      );
      if (kept.length === 0) return;
      const rows = kept.flat();
      const filtered = {
        rewards: rows.map((i) => batch.rewards[i] as number),
        groups: rows.map((i) => batch.groups[i] as number),
      };
      const all = drGrpo(batch).advantages;
      expectClose(
        gpg(filtered).advantages,
        rows.map((i) => all[i] as number),
      );
      const { initial, update } = dynamicSampling({ prompts: kept.length });
      expect(update(initial, batch).groups.map(({ rows: own }) => own)).toEqual(kept);
    });
  });

  test('remax is gae with the greedy reward as the value of every state, gamma and lambda 1', () => {
    forAll([tokens], ({ rewards, mask, perRow }) => {
      const values = spread(perRow, mask);
      const expected = gae({ rewards, values, mask }, { gamma: 1, lambda: 1 }).advantages.data;
      expectClose(remax({ rewards, baselines: perRow, mask }).advantages.data, expected);
    });
  });

  test('reinforcePlusPlus is gae of values 0, whitened, which has mean 0 and sample variance 1 over the tokens', () => {
    forAll([tokens, fc.constantFrom(0, 0.5, 0.9, 1)], ({ rewards, mask }, gamma) => {
      const values = { ...mask, data: mask.data.map(() => 0) };
      const plain = gae({ rewards, values, mask }, { gamma, lambda: 1 }).advantages;
      const { advantages, returns } = reinforcePlusPlus({ rewards, mask }, { gamma, epsilon: 0 });
      expectClose(returns.data, plain.data);
      expectClose(advantages.data, whiten(plain, mask, { epsilon: 0 }).data, { absolute: 1e-7, relative: 1e-7 });
      const own = [...advantages.data].filter((_, i) => mask.data[i] === 1);
      if (own.length < 2 || own.every((a) => a === 0)) return;
      const variance = own.reduce((sum, a) => sum + (a - mean(own)) ** 2, 0) / (own.length - 1);
      expectClose([mean(own), variance], [0, 1], { absolute: 1e-7, relative: 0 });
    });
  });

  test('reinforcePlusPlusBaseline of responses of one token is drGrpo, whitened', () => {
    forAll([batches], (batch) => {
      const centered = drGrpo(batch).advantages;
      const mask = gridOf(Array.from(centered, () => [1]));
      for (const unit of ['tokens', 'responses'] as const) {
        const { advantages } = reinforcePlusPlusBaseline({ ...batch, mask }, { unit });
        expectClose(advantages, whiten({ ...mask, data: centered }, mask).data);
      }
    });
  });

  test('the mean of the batch as baseline is drGrpo of one group, (B − 1)/B of the leave-one-out mean', () => {
    forAll([fc.array(number, { minLength: 2, maxLength: 8 })], (rewards) => {
      const groups = rewards.map(() => 'all');
      const ofMean = reinforce({ rewards }, { baseline: 'mean' }).advantages;
      expectClose(ofMean, drGrpo({ rewards, groups }).advantages);
      const shrink = (rewards.length - 1) / rewards.length;
      expectClose(
        ofMean,
        reinforce({ rewards }, { baseline: 'leave-one-out' }).advantages.map((a) => shrink * a),
      );
    });
  });

  test('rewards to go: γ = 1 begins with the sum, and a placed outcome reaches token k as γ^(n − 1 − k) r', () => {
    forAll([tokens, fc.constantFrom(0, 0.3, 0.9, 1)], ({ mask, perRow }, gamma) => {
      const { data } = discountedReturns({ rewards: placeOutcome(perRow, mask), mask }, { gamma });
      const expected = Array.from({ length: mask.rows }, (_, row) => {
        const own = [...mask.data.slice(row * mask.columns, (row + 1) * mask.columns)];
        const n = own.filter((m) => m === 1).length;
        let k = 0;
        return own.map((m) => (m === 1 ? gamma ** (n - 1 - k++) * (perRow[row] as number) : 0));
      });
      expectClose(data, expected.flat());
    });
  });
});

test('the Beta distributions that the specification fits to its two batches', () => {
  const fitted = (batch: readonly (readonly number[])[]): number[] => {
    const groups = batch.flatMap((rewards, prompt) => rewards.map(() => prompt));
    const rates = successRates({ rewards: batch.flat(), groups });
    const moments = runningMoments.update(runningMoments.initial, rates);
    const { alpha, beta } = betaNormalizer(moments);
    return [moments.mean, varianceOf(moments), 3 * (alpha - 1), 3 * (beta - 1)];
  };
  const within = { absolute: 6e-11, relative: 0 };
  const first = [
    [1, 0, 0, 0],
    [1, 1, 0, 0],
    [1, 1, 1, 0],
    [1, 1, 0, 0],
  ];
  expectClose(fitted(first), [0.5, 0.0416666667, 2.5, 2.5], within);
  const second = [
    [1, 0, 0, 0],
    [1, 1, 1, 1],
    [0, 0, 0, 0],
    [1, 1, 0, 0],
  ];
  expectClose(fitted(second), [0.4375, 0.1822916667, 0.153125, 0.196875], within);
});

describe('the KL in the reward', () => {
  test('its two metrics are what adaptiveKl may be given, and both conventions move β the same way', () => {
    forAll([tokens], ({ rewards, values, mask }) => {
      const refLogProbs = { ...values, data: values.data.map((v) => v - 1) };
      const { metrics } = penalizeKl({ rewards, logProbs: values, refLogProbs, mask });
      const lengths = Array.from({ length: mask.rows }, (_, row) =>
        mask.data.slice(row * mask.columns, (row + 1) * mask.columns).reduce((sum, m) => sum + m, 0),
      ).filter((n) => n > 0);
      if (lengths.length === 0) {
        expect(metrics).toEqual({ kl: 0, klPerSequence: 0 });
        return;
      }
      // One nat per token: 1 by the mean, the mean length by the sum.
      expectClose([metrics.kl, metrics.klPerSequence], [1, mean(lengths)]);
      const { initial, update } = adaptiveKl({ target: 0.5 });
      expect(update(initial, { kl: metrics.kl, sequences: lengths.length })).toBeGreaterThan(initial);
    });
  });

  test('a penalty is linear in β, and its rewards to go are those of the rewards less those of the penalty', () => {
    forAll([tokens, fc.constantFrom('k1', 'k2', 'k3', 'abs'), fc.constantFrom(0.1, 1)], (drawn, estimate, beta) => {
      const { rewards, values: logProbs, mask } = drawn;
      const refLogProbs = { ...rewards, data: rewards.data.map((r) => r / 2) };
      const at = (b: number): Grid =>
        penalizeKl({ rewards, logProbs, refLogProbs, mask }, { beta: b, estimate }).rewards;
      const [none, one, some] = [at(0), at(1), at(beta)].map((of) => discountedReturns({ rewards: of, mask }).data);
      expectClose(
        some as Float64Array,
        (none as Float64Array).map((R, i) => R + beta * (((one as Float64Array)[i] as number) - R)),
      );
    });
  });
});

test('weights of rollouts without bounds undo one another: those there times those back are 1', () => {
  forAll([tokens, fc.constantFrom('token', 'sequence', 'geometric')], ({ rewards, values, mask }, level) => {
    const options = { level, upper: Number.POSITIVE_INFINITY } as const;
    const there = rolloutWeights({ logProbs: rewards, rolloutLogProbs: values, mask }, options).weights;
    const back = rolloutWeights({ logProbs: values, rolloutLogProbs: rewards, mask }, options).weights;
    const products = there.data.map((w, i) => w * (back.data[i] as number));
    // Sums of log-ratios of six tokens of ±3 may leave the ±20 that exponents are cut to.
    expectClose(products, mask.data);
  });
});

/** The words in which a batch of no response is refused. */
const noResponse = /^ShapeError: \w+: [\w[\]]+ must be of at least one response; got (length 0|\[0, \d+\])$/;
function orRefusal(f: () => unknown): unknown {
  try {
    return f();
  } catch (error) {
    return String(error);
  }
}

describe('what stands around the estimators, of batches without a token', () => {
  const filled = (rows: number, columns: number, value: number): Grid => ({
    rows,
    columns,
    data: new Float64Array(rows * columns).fill(value),
  });
  /** All numbers of a result, wherever they are. */
  const deep = (value: unknown): number[] => {
    if (typeof value === 'number') return [value];
    if (value instanceof Float64Array || value instanceof Int32Array) return [...value];
    return typeof value === 'object' && value !== null ? Object.values(value).flatMap(deep) : [];
  };
  const functions: Record<string, (x: Grid, mask: Grid) => unknown> = {
    cutpointStarts: (x, mask) => cutpointStarts({ oldLogProbs: x, mask }).data,
    discountedReturns: (x, mask) => discountedReturns({ rewards: x, mask }).data,
    fixedStarts: (_, mask) => fixedStarts(mask, { tokens: 2 }).data,
    lambdaReturns: (x, mask) => lambdaReturns({ rewards: x, values: x, mask }).data,
    normalizeAdvantages: (x, weights) => normalizeAdvantages({ advantages: x, weights }).advantages.data,
    offPolicyMetrics: (x, mask) => ({ ...offPolicyMetrics({ logProbs: x, rolloutLogProbs: x, mask }), emptyRows: 0 }),
    penalizeKl: (x, mask) => {
      const { rewards, metrics } = penalizeKl({ rewards: x, logProbs: x, refLogProbs: x, mask });
      return [rewards.data, metrics];
    },
    placeOutcome: (x, mask) => placeOutcome(new Float64Array(x.rows).fill(Number.NaN), mask).data,
    policyDrift: (x, mask) => policyDrift({ oldLogProbs: x, logProbs: x, mask }),
    probabilityMask: (x, mask) => probabilityMask({ oldLogProbs: x, mask }).data,
    rolloutRejection: (x, mask) => {
      const rules = [{ estimate: 'k3', over: 'token', upper: 1 }] as const;
      const { mask: kept, metrics } = rolloutRejection({ logProbs: x, rolloutLogProbs: x, mask }, { rules });
      return [kept.data, metrics];
    },
    rolloutWeights: (x, mask) => {
      const { weights, metrics } = rolloutWeights({ logProbs: x, rolloutLogProbs: x, mask });
      // Of no token the ratios are 1, as where the policies agree.
      expect(Object.values(metrics).every((x) => x === 0 || x === 1)).toBe(true);
      return weights.data;
    },
    spread: (x, mask) => spread(new Float64Array(x.rows).fill(Number.NaN), mask).data,
    whiten: (x, mask) => whiten(x, mask).data,
  };

  test.each(Object.entries(functions))('%s gives 0, whatever stands there', (_, call) => {
    for (const [rows, columns] of [
      [0, 3],
      [2, 0],
      [2, 3],
    ] as const) {
      const said = orRefusal(() => call(filled(rows, columns, Number.NaN), filled(rows, columns, 0)));
      if (typeof said === 'string') {
        expect([rows, said]).toEqual([0, expect.stringMatching(noResponse)]);
        continue;
      }
      const numbers = deep(said);
      expect(numbers.map(Math.abs)).toEqual(numbers.map(() => 0));
    }
  });
});

describe.each([...estimators])('$name, of degenerate batches', (entry: EstimatorEntry) => {
  const shapes = fc.record({
    prompts: fc.integer({ min: 1, max: 3 }),
    perPrompt: fc.integer({ min: 1, max: 4 }),
    tokens: fc.integer({ min: 1, max: 4 }),
  });
  const seeds = fc.integer({ min: 0, max: 2 ** 31 });
  /** Some twenty entries: FC_RUNS in the environment looks further. */
  const ofEntry: typeof forAll = (arbitraries, property) => forAll(arbitraries, property, { runs: 40 });
  type Shape = { readonly prompts: number; readonly perPrompt: number; readonly tokens: number };

  const example = (shape: Shape, seed: number): Inputs => entry.example(shape, createRng(seed)) as Inputs;
  const isGrid = (value: Value): value is Grid => 'data' in value;
  const numbers = (value: Value): number[] =>
    isGrid(value) ? [...value.data] : Array.from(value as ArrayLike<number>);
  const map = (inputs: Inputs, f: (name: string, value: Value) => Value): Inputs =>
    Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, f(name, value)]));
  const run = (inputs: Inputs): { advantages: number[]; metrics: Readonly<Record<string, number>> } => {
    const { advantages, metrics } = entry.estimate(inputs);
    return { advantages: numbers(advantages), metrics };
  };
  const expectFinite = ({ advantages, metrics }: ReturnType<typeof run>): void =>
    expect([...advantages, ...Object.values(metrics)].every(Number.isFinite)).toBe(true);
  /** What tells that a batch taught less than it could: a count of it, or a flag that is down. */
  const tells = (metrics: Readonly<Record<string, number>>): boolean =>
    Object.entries(metrics).some(([name, value]) => {
      if (/^(whitened|normalized)$/.test(name)) return value === 0;
      return /^(equal|singleton|missing|empty|weightless|small|unnormalized)/.test(name) && value > 0;
    });
  /** Equal up to the sign of 0. */
  const expectZeros = (values: readonly number[]): void => expect(values.map(Math.abs)).toEqual(values.map(() => 0));

  /** What a constant added changes nothing of, and a factor only scales, is 0 where all rewards are equal. */
  const relative = entry.laws.includes('shift-invariant') && entry.laws.includes('zero-mean-per-group');

  test('equal rewards are finite, and told by a metric where they leave nothing to learn', () => {
    ofEntry([shapes, seeds, fc.constantFrom(0, 1)], (shape, seed, reward) => {
      const same = (value: Value): Value =>
        isGrid(value)
          ? { ...value, data: value.data.map(() => reward) }
          : Array.from(value as ArrayLike<number>, () => reward);
      const equal = map(example(shape, seed), (name, value) => {
        if (name === 'rewards') return same(value);
        return name === 'components'
          ? (value as readonly ArrayLike<number>[]).map((one) => same(one) as number[])
          : value;
      });
      const result = run(equal);
      expectFinite(result);
      if (relative) expectZeros(result.advantages);
      const rewarded = 'components' in equal || ('groups' in equal && 'rewards' in equal);
      const lost = rewarded && result.advantages.every((a) => a === 0) && reward === 1;
      if (lost) expect(tells(result.metrics)).toBe(true);
    });
  });

  test('a response alone with its prompt is finite, and told by a metric where there is nothing to compare it with', () => {
    ofEntry([shapes, seeds], (shape, seed) => {
      const alone = example({ ...shape, perPrompt: 1 }, seed);
      const result = run(alone);
      expectFinite(result);
      if (relative) expectZeros(result.advantages);
      if (relative && 'groups' in alone) expect(tells(result.metrics)).toBe(true);
    });
  });

  test('rewards that apply nowhere give 0, and are counted', () => {
    ofEntry([shapes, seeds], (shape, seed) => {
      const drawn = example(shape, seed);
      const takesNull = Object.entries(drawn).some(
        ([name, value]) => name === 'rewards' && !isGrid(value) && Array.isArray(value),
      );
      if (!takesNull) return;
      const none = map(drawn, (name, value) =>
        name === 'rewards' ? Array.from(value as number[], () => null) : value,
      );
      const result = run(none);
      expectFinite(result);
      expectZeros(result.advantages);
      expect(result.metrics['missingRewards']).toBe(shape.prompts * shape.perPrompt);
    });
  });

  // Their metrics are stated in full in tests of theirs; what they lack is in the report on issue 4.
  test('rows whose tokens are all masked have 0 at every token, and are counted', () => {
    ofEntry([shapes, seeds, fc.nat()], (shape, seed, which) => {
      const drawn = example(shape, seed);
      const mask = drawn['mask'];
      if (mask === undefined || !isGrid(mask)) return;
      const row = which % mask.rows;
      const isIn = (i: number): boolean => Math.floor(i / mask.columns) === row;
      const without = (all: boolean): Inputs => ({
        ...drawn,
        mask: { ...mask, data: mask.data.map((m, i) => (all || isIn(i) ? 0 : m)) },
      });
      const [one, none] = [run(without(false)), run(without(true))];
      expectFinite(one);
      expectFinite(none);
      if (isGrid(entry.estimate(drawn).advantages)) {
        expectZeros(one.advantages.filter((_, i) => isIn(i)));
        expectZeros(none.advantages);
      }
      const empty = Array.from({ length: mask.rows }, (_, i) => i).filter(
        (i) => i === row || mask.data.slice(i * mask.columns, (i + 1) * mask.columns).every((m) => m === 0),
      );
      expect(one.metrics['emptyRows']).toBe(empty.length);
      expect(none.metrics['emptyRows']).toBe(mask.rows);
    });
  });

  test('a batch of no responses is refused in words; responses of no tokens are finite', () => {
    const nobody = example({ prompts: 0, perPrompt: 4, tokens: 3 }, 1);
    expect(orRefusal(() => run(nobody))).toMatch(noResponse);
    expectFinite(run(example({ prompts: 2, perPrompt: 2, tokens: 0 }, 1)));
  });
});
