import { createRng, gridOf, isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  offlineCounts,
  policyDrift,
  type SuccessCounts,
  type SuccessObservation,
  samplePrompts,
  samplingWeights,
  singleStreamSpo,
  trackedValues,
  type ValueTrackerOptions,
  valueTracker,
} from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-11 };
const expectClose = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = tight): void => {
  expect(maxError(actual, expected, tolerance)).toBeLessThanOrEqual(1);
};
const unit = fc.double({ min: 0, max: 1, noNaN: true });
const drifts = fc.double({ min: 0, max: 0.3, noNaN: true });

/** One prompt through a tracker, from these counts. */
function track(
  start: readonly [number, number],
  steps: readonly { reward: number; drift?: number }[],
  options: ValueTrackerOptions = {},
): readonly [number, number][] {
  const tracker = valueTracker(options);
  let state: SuccessCounts = { x: start };
  return steps.map(({ reward, drift = 0 }) => {
    state = tracker.update(state, [{ prompt: 'x', reward, drift }]);
    return state['x'] as [number, number];
  });
}
const value = ([alpha, beta]: readonly [number, number]): number => alpha / (alpha + beta);

describe('valueTracker', () => {
  test('golden: α = β = 4, a success after a drift of 0.03', () => {
    expect(track([4, 4], [{ reward: 1, drift: 0.03 }])).toEqual([[4.5, 3.5]]);
    expect(value([4.5, 3.5])).toBe(0.5625);
  });

  test('is the moving average v + η (r − v), η = 1 / (ρ N + 1), for rewards of any size', () => {
    const counts = fc.double({ min: 0.1, max: 20, noNaN: true });
    forAll([counts, counts, fc.double({ min: -3, max: 3, noNaN: true }), drifts], (alpha, beta, reward, drift) => {
      const [after] = track([alpha, beta], [{ reward, drift }]) as [[number, number]];
      const keep = Math.min(0.96, Math.max(0.875, Math.exp((-Math.LN2 * drift) / 0.06)));
      const v = alpha / (alpha + beta);
      expectClose([value(after)], [v + (reward - v) / (keep * (alpha + beta) + 1)]);
      expectClose([after[0] + after[1]], [keep * (alpha + beta) + 1]);
    });
  });

  test('counts stay positive, values between 0 and 1, the effective number of rewards bounded', () => {
    forAll([fc.array(fc.record({ reward: unit, drift: drifts }), { minLength: 1, maxLength: 60 })], (steps) => {
      for (const [alpha, beta] of track(offlineCounts([1, 0, 0, 1, 0, 0, 0, 1]), steps)) {
        expect(alpha).toBeGreaterThan(0);
        expect(beta).toBeGreaterThan(0);
        expect(value([alpha, beta])).toBeGreaterThan(0);
        expect(value([alpha, beta])).toBeLessThan(1);
        expect(alpha + beta).toBeLessThanOrEqual(Math.max(8, 1 / (1 - 0.96)) + 1e-9);
      }
    });
  });

  test('the effective number of rewards goes to 1 / (1 − ρ): 8 and 25', () => {
    const many = Array.from({ length: 800 }, (_, i) => ({ reward: i % 2 }));
    for (const [rho, window] of [
      [0.875, 8],
      [0.96, 25],
    ] as const) {
      const [alpha, beta] = track([0.5, 0.5], many, { retention: [rho, rho] }).at(-1) as [number, number];
      expectClose([alpha + beta], [window], { absolute: 1e-9, relative: 0 });
    }
  });

  test('forgets more the more the policy moved, one half at the half-life', () => {
    const kept = (drift: number, options: ValueTrackerOptions): number => {
      const [[alpha]] = track([1, 3], [{ reward: 0, drift }], options) as [[number, number]];
      return alpha;
    };
    forAll([drifts, drifts], (a, b) => {
      const [less, more] = [Math.min(a, b), Math.max(a, b)];
      expect(kept(more, {})).toBeLessThanOrEqual(kept(less, {}));
      expect(kept(more, {})).toBeGreaterThanOrEqual(0.875);
      expect(kept(less, {})).toBeLessThanOrEqual(0.96);
    });
    expect(kept(0.06, { retention: [0, 1] })).toBe(0.5);
    expect(kept(0.3, { halfLife: 0.3, retention: [0, 1] })).toBe(0.5);
    expect(kept(0, {})).toBe(0.96);
    expect(kept(Number.POSITIVE_INFINITY, {})).toBe(0.875);
  });

  test('ρ = 0 remembers the last reward, ρ = 1 the mean of all with the counts at the start', () => {
    forAll([fc.array(unit, { minLength: 1, maxLength: 20 }), unit, unit], (rewards, a, b) => {
      const steps = rewards.map((reward) => ({ reward }));
      const start = [a + 0.1, b + 0.1] as const;
      const last = track(start, steps, { retention: [0, 0] }).at(-1) as [number, number];
      expectClose([value(last)], [rewards.at(-1) as number]);
      const all = track(start, steps, { retention: [1, 1] }).at(-1) as [number, number];
      const sum = rewards.reduce((s, r) => s + r, 0);
      expectClose([value(all)], [(start[0] + sum) / (start[0] + start[1] + rewards.length)]);
    });
  });

  test('finds the success rate of a stationary stream', () => {
    const rng = createRng(3);
    const steps = Array.from({ length: 4000 }, () => ({ reward: rng.uniform() < 0.3 ? 1 : 0 }));
    const { length } = steps;
    const [all] = track([0.5, 0.5], steps, { retention: [1, 1] }).slice(-1) as [[number, number]];
    // Four standard errors of the mean of as many draws.
    expect(Math.abs(value(all) - 0.3)).toBeLessThan(4 * Math.sqrt(0.21 / length));
    const windows = track([0.5, 0.5], steps, { retention: [0.96, 0.96] }).slice(200);
    const mean = windows.reduce((s, counts) => s + value(counts), 0) / windows.length;
    expect(Math.abs(mean - 0.3)).toBeLessThan(0.03);
  });

  test('prompts do not touch each other, whatever they are called, and the state survives JSON', () => {
    const prompts = ['a', 'constructor', '__proto__', 'toString', '0'];
    const tracker = valueTracker();
    expect([...trackedValues(tracker.initial, prompts)]).toEqual([0.5, 0.5, 0.5, 0.5, 0.5]);
    const seen = prompts.map((prompt, i): SuccessObservation => ({ prompt, reward: i % 2, drift: 0 }));
    const state = tracker.update(tracker.initial, seen);
    const v = (0.96 * 0.5 + 1) / (0.96 + 1);
    expectClose(trackedValues(state, prompts), [1 - v, v, 1 - v, v, 1 - v]);
    expect([...trackedValues(JSON.parse(JSON.stringify(state)), prompts)]).toEqual([...trackedValues(state, prompts)]);
    expect(tracker.initial).toEqual({});
    const again = tracker.update(state, [{ prompt: 'a', reward: 1, drift: 0 }]);
    expect(trackedValues(again, ['constructor'])).toEqual(trackedValues(state, ['constructor']));
    expect(trackedValues(again, ['a'])[0]).not.toBe(trackedValues(state, ['a'])[0]);
  });

  test('two observations of one prompt are two updates', () => {
    const tracker = valueTracker();
    const first = { prompt: 'a', reward: 1, drift: 0.01 };
    const second = { prompt: 'a', reward: 0, drift: 0.02 };
    const apart = tracker.update(tracker.update({}, [first]), [second]);
    expect(tracker.update({}, [first, second])).toEqual(apart);
  });
});

describe('offlineCounts', () => {
  test('golden: 3 successes of 8; no rewards', () => {
    const [alpha, beta] = offlineCounts([1, 0, 0, 1, 0, 1, 0, 0]);
    expectClose([alpha, beta], [3.1111111111, 4.8888888889], { absolute: 1e-10, relative: 0 });
    expectClose([value([alpha, beta])], [0.3888888889], { absolute: 1e-10, relative: 0 });
    expect(offlineCounts([])).toEqual([0.5, 0.5]);
  });

  test('strictly between 0 and 1, and as heavy as the shortest memory', () => {
    forAll(
      [fc.array(unit, { minLength: 1, maxLength: 12 }), fc.double({ min: 0, max: 0.99, noNaN: true })],
      (r, least) => {
        const [alpha, beta] = offlineCounts(r, { leastRetention: least });
        expectClose([alpha + beta], [1 / (1 - least)]);
        const sum = r.reduce((s, x) => s + x, 0);
        expectClose([value([alpha, beta])], [(sum + 0.5) / (r.length + 1)]);
        expect(Math.min(alpha, beta)).toBeGreaterThan(0);
      },
    );
  });
});

describe('policyDrift', () => {
  const logProb = fc.double({ min: -6, max: 0, noNaN: true });
  const tokens = fc.array(fc.record({ old: logProb, now: logProb, on: fc.boolean() }), { minLength: 1, maxLength: 8 });

  test('is the mean over the tokens that count', () => {
    forAll([tokens, fc.constantFrom('abs', 'k1', 'k3')], (row, estimator) => {
      const terms = row
        .filter(({ on }) => on)
        .map(({ old, now }) => {
          if (estimator === 'abs') return Math.abs(old - now);
          return estimator === 'k1' ? old - now : Math.exp(now - old) - 1 - (now - old);
        });
      const mean = terms.reduce((s, x) => s + x, 0) / (terms.length || 1);
      const inputs = {
        oldLogProbs: gridOf([row.map(({ old, on }) => (on ? old : Number.NaN))]),
        logProbs: gridOf([row.map(({ now, on }) => (on ? now : Number.POSITIVE_INFINITY))]),
        mask: gridOf([row.map(({ on }) => (on ? 1 : 0))]),
      };
      const drift = policyDrift(inputs, { estimator });
      expectClose(drift, [Math.max(0, mean)]);
      expect(drift[0]).toBeGreaterThanOrEqual(0);
      if (estimator === 'abs') expect(policyDrift(inputs)).toEqual(drift);
    });
  });

  test('the same policy has not moved; a row without tokens has not either', () => {
    const logProbs = gridOf([
      [-1, -2],
      [-3, -4],
    ]);
    const mask = gridOf([
      [1, 1],
      [0, 0],
    ]);
    for (const estimator of ['abs', 'k1', 'k3'] as const) {
      expect([...policyDrift({ oldLogProbs: logProbs, logProbs, mask }, { estimator })]).toEqual([0, 0]);
    }
  });

  test('k1 and k3 are unbiased for the divergence of the old policy from the present one', () => {
    const [old, now] = [
      [0.5, 0.3, 0.2],
      [0.2, 0.3, 0.5],
    ];
    const kl = old.reduce((s, p, i) => s + p * Math.log(p / (now[i] as number)), 0);
    for (const estimator of ['k1', 'k3'] as const) {
      const mean = old.reduce((s, p, i) => {
        const inputs = {
          oldLogProbs: gridOf([[Math.log(p), 0, 0, 0, 0]]),
          logProbs: gridOf([[Math.log(now[i] as number), 0, 0, 0, 0]]),
          mask: gridOf([[1, 0, 0, 0, 0]]),
        };
        // k1 of one token may be negative, where the drift is 0: taken apart.
        const term =
          estimator === 'k1' ? Math.log(p / (now[i] as number)) : (policyDrift(inputs, { estimator })[0] as number);
        return s + p * term;
      }, 0);
      expectClose([mean], [kl]);
    }
  });
});

describe('samplingWeights', () => {
  test('golden: values of 1/2, 0.9 and 0', () => {
    const counts: SuccessCounts = { a: [4, 4], b: [9, 1], c: [0, 5] };
    expectClose(samplingWeights(counts, ['a', 'b', 'c']), [0.55, 0.35, 0.05]);
    expectClose(samplingWeights(counts, ['new']), [0.55]);
    expectClose(samplingWeights(counts, ['a', 'b'], { exploration: 0, familiarity: 1 }), [0.5 / 8, 0.3 / 10]);
  });

  test('is its formula', () => {
    const count = fc.double({ min: 0.01, max: 30, noNaN: true });
    forAll([count, count, unit, unit], (alpha, beta, exploration, familiarity) => {
      const n = alpha + beta;
      const expected = Math.sqrt(alpha * beta) / n / n ** familiarity + exploration;
      expectClose(samplingWeights({ x: [alpha, beta] }, ['x'], { exploration, familiarity }), [expected]);
    });
  });
});

describe('samplePrompts', () => {
  /** Pearson's statistic of how often each outcome came. */
  const chiSquare = (seen: readonly number[], expected: readonly number[]): number =>
    seen.reduce((s, n, i) => s + (n - (expected[i] as number)) ** 2 / (expected[i] as number), 0);

  test('one draw has the frequencies w / Σ w', () => {
    const weights = [0.55, 0.35, 0.05, 1.05];
    const rng = createRng(11);
    const seen = [0, 0, 0, 0];
    const draws = 8000;
    for (let i = 0; i < draws; i++) seen[samplePrompts(weights, 1, rng)[0] as number]! += 1;
    // The 99.9 % quantile of chi-square with 3 degrees of freedom.
    expect(
      chiSquare(
        seen,
        weights.map((w) => (draws * w) / 2),
      ),
    ).toBeLessThan(16.27);
  });

  test('two draws are sequential draws: P(i, j) = w_i / W · w_j / (W − w_i)', () => {
    const weights = [1, 2, 3];
    const rng = createRng(12);
    const draws = 8000;
    const pairs = [
      [0, 1],
      [0, 2],
      [1, 0],
      [1, 2],
      [2, 0],
      [2, 1],
    ] as const;
    const seen = pairs.map(() => 0);
    for (let n = 0; n < draws; n++) {
      const [i, j] = samplePrompts(weights, 2, rng);
      seen[pairs.findIndex((pair) => pair[0] === i && pair[1] === j)]! += 1;
    }
    const probability = ([i, j]: readonly [number, number]): number =>
      ((weights[i] as number) / 6) * ((weights[j] as number) / (6 - (weights[i] as number)));
    // The 99.9 % quantile of chi-square with 5 degrees of freedom.
    expect(
      chiSquare(
        seen,
        pairs.map((pair) => draws * probability(pair)),
      ),
    ).toBeLessThan(20.52);
  });

  test('draws nobody twice unless there are too few, and those of weight 0 last', () => {
    const weights = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 5, noNaN: true })), {
      minLength: 1,
      maxLength: 9,
    });
    forAll([weights, fc.nat({ max: 15 }), fc.nat()], (w, count, seed) => {
      const drawn = [...samplePrompts(w, count, createRng(seed))];
      expect(drawn).toHaveLength(count);
      const positive = w.filter((x) => x > 0).length;
      if (count <= w.length) {
        expect(new Set(drawn).size).toBe(count);
        for (const [at, i] of drawn.entries()) expect((w[i] as number) > 0).toBe(at < positive);
      } else if (positive > 0) {
        for (const i of drawn) expect(w[i]).toBeGreaterThan(0);
      }
      expect([...samplePrompts(w, count, createRng(seed))]).toEqual(drawn);
    });
  });

  test('all weights 0: evenly, with and without replacement', () => {
    const rng = createRng(13);
    for (const count of [1, 4]) {
      const seen = [0, 0, 0];
      for (let i = 0; i < 6000 / count; i++) for (const j of samplePrompts([0, 0, 0], count, rng)) seen[j]! += 1;
      // The 99.9 % quantile of chi-square with 2 degrees of freedom.
      expect(chiSquare(seen, [2000, 2000, 2000])).toBeLessThan(13.82);
    }
    expect(samplePrompts([], 0, rng)).toHaveLength(0);
  });

  test('with replacement, the frequencies are w / Σ w', () => {
    const rng = createRng(14);
    const seen = [0, 0];
    for (let i = 0; i < 2000; i++) for (const j of samplePrompts([1, 3], 3, rng)) seen[j]! += 1;
    expect(chiSquare(seen, [1500, 4500])).toBeLessThan(10.83);
  });
});

describe('singleStreamSpo', () => {
  const rows = fc.array(fc.record({ r: fc.constantFrom(0, 1), v: unit }), { minLength: 2, maxLength: 12 });

  test('is its definition', () => {
    forAll([rows], (batch) => {
      const d = batch.map(({ r, v }) => r - v);
      const mean = d.reduce((s, x) => s + x, 0) / d.length;
      const variance = d.reduce((s, x) => s + (x - mean) ** 2, 0) / (d.length - 1);
      if (variance < 1e-8) return;
      const { advantages, metrics } = singleStreamSpo({
        rewards: batch.map(({ r }) => r),
        baselines: batch.map(({ v }) => v),
      });
      const expected = d.map((x) => (x - mean) / (Math.sqrt(variance) + 1e-8));
      expectClose(advantages, expected, { absolute: 1e-10, relative: 1e-10 });
      expectClose([metrics['mean'] as number, metrics['std'] as number], [mean, Math.sqrt(variance)]);
      const sorted = expected.toSorted((a, b) => a - b);
      expectClose([metrics['quantile50'] as number], [median(sorted)], { absolute: 1e-10, relative: 1e-10 });
      expect(metrics['quantile10']).toBeGreaterThanOrEqual((sorted[0] as number) - 1e-10);
      expect(metrics['quantile90']).toBeLessThanOrEqual((sorted.at(-1) as number) + 1e-10);
    });
  });

  test('the quantiles of 1 to 11 are 2, 4, 6, 8 and 10', () => {
    const rewards = Array.from({ length: 11 }, (_, i) => i + 1);
    const { metrics } = singleStreamSpo({ rewards, baselines: rewards.map(() => 0) });
    const at = (x: number): number => (x - 6) / Math.sqrt(11);
    const levels = [10, 30, 50, 70, 90].map((percent) => metrics[`quantile${percent}`] as number);
    expectClose(levels, [2, 4, 6, 8, 10].map(at), { absolute: 1e-8, relative: 0 });
  });

  test('the rewards before, or their running mean, as baselines: the tracker with ρ = 0 and 1', () => {
    const tracker = valueTracker({ retention: [0, 0] });
    const seen = tracker.update({}, [
      { prompt: 'a', reward: 1, drift: 0 },
      { prompt: 'b', reward: 0, drift: 0 },
    ]);
    expect([...trackedValues(seen, ['a', 'b'])]).toEqual([1, 0]);
    const { advantages } = singleStreamSpo({ rewards: [0, 1], baselines: trackedValues(seen, ['a', 'b']) });
    expectClose(advantages, [-Math.SQRT1_2, Math.SQRT1_2], { absolute: 1e-7, relative: 0 });
  });

  test('edge cases: one row, no variance, missing rewards', () => {
    const one = singleStreamSpo({ rewards: [1], baselines: [0.3] });
    expect([...one.advantages]).toEqual([0]);
    expect(one.metrics).toMatchObject({ normalized: 0, std: 0, quantile50: 0 });
    expect([...singleStreamSpo({ rewards: [1, 1, 1], baselines: [0.1, 0.1, 0.1] }).advantages]).toEqual([0, 0, 0]);
    const none = singleStreamSpo({ rewards: [null, null], baselines: [Number.NaN, 0] });
    expect([...none.advantages]).toEqual([0, 0]);
    expect(none.metrics['missingRewards']).toBe(2);
    const some = singleStreamSpo({ rewards: [1, null, 0], baselines: [0.5, 9, 0.2] });
    const without = singleStreamSpo({ rewards: [1, 0], baselines: [0.5, 0.2] });
    expect([...some.advantages]).toEqual([without.advantages[0], 0, without.advantages[1]]);
    expect(some.metrics['quantile90']).toBe(without.metrics['quantile90']);
  });
});

const median = (sorted: readonly number[]): number =>
  ((sorted[(sorted.length - 1) >> 1] as number) + (sorted[sorted.length >> 1] as number)) / 2;

describe('errors', () => {
  const tracker = valueTracker();
  const one = gridOf([[1]]);
  const rng = createRng(0);
  test.each([
    ['option', () => valueTracker({ halfLife: 0 }), 'valueTracker: halfLife must be positive and finite; got 0'],
    [
      'option',
      () => valueTracker({ retention: [0.9, 0.8] }),
      'valueTracker: retention must be two ascending numbers in [0, 1]; got [0.9,0.8]',
    ],
    [
      'data',
      () => tracker.update({}, [{ prompt: 'a', reward: Number.NaN, drift: 0 }]),
      'valueTracker: the reward of prompt "a" must be finite; got NaN',
    ],
    [
      'data',
      () => tracker.update({}, [{ prompt: 'a', reward: 1, drift: -1 }]),
      'valueTracker: the drift of prompt "a" must be at least 0; got -1',
    ],
    [
      'state',
      () => tracker.update({ a: [0, 0] }, [{ prompt: 'a', reward: 1, drift: 0 }]),
      'valueTracker: the counts of prompt "a" must be two numbers whose sum is positive; got [0,0]',
    ],
    [
      'state',
      () => trackedValues({ a: 3 } as unknown as SuccessCounts, ['a']),
      'trackedValues: the counts of prompt "a" must be two numbers whose sum is positive; got 3',
    ],
    [
      'option',
      () => offlineCounts([1], { leastRetention: 1 }),
      'offlineCounts: leastRetention must be in [0, 1); got 1',
    ],
    ['data', () => offlineCounts([1, 2]), 'offlineCounts: rewards[1] must be in [0, 1]; got 2'],
    [
      'option',
      () => policyDrift({ oldLogProbs: one, logProbs: one, mask: one }, { estimator: 'k2' as 'k1' }),
      `policyDrift: estimator must be 'abs', 'k1' or 'k3'; got "k2"`,
    ],
    [
      'shape',
      () => policyDrift({ oldLogProbs: one, logProbs: gridOf([[1, 2]]), mask: one }),
      'policyDrift: logProbs must be [1, 1] like oldLogProbs; got [1, 2]',
    ],
    [
      'data',
      () => policyDrift({ oldLogProbs: one, logProbs: gridOf([[Number.NaN]]), mask: one }),
      'policyDrift: logProbs[0, 0] must be finite, for it counts; got NaN',
    ],
    [
      'data',
      () => policyDrift({ oldLogProbs: one, logProbs: one, mask: gridOf([[2]]) }),
      'policyDrift: mask[0, 0] must be 0 or 1; got 2',
    ],
    [
      'option',
      () => samplingWeights({}, [], { exploration: -1 }),
      'samplingWeights: exploration must be a finite number of at least 0; got -1',
    ],
    [
      'option',
      () => samplingWeights({}, [], { familiarity: 2 }),
      'samplingWeights: familiarity must be in [0, 1]; got 2',
    ],
    [
      'data',
      () => samplingWeights({ a: [3, -1] }, ['a']),
      'samplingWeights: the value of prompt "a" must be in [0, 1]; got 1.5',
    ],
    [
      'option',
      () => samplePrompts([1], 0.5, rng),
      'samplePrompts: count must be a whole number of at least 0; got 0.5',
    ],
    [
      'data',
      () => samplePrompts([1, Number.NaN], 1, rng),
      'samplePrompts: weights[1] must be finite and at least 0; got NaN',
    ],
    ['data', () => samplePrompts([], 1, rng), 'samplePrompts: there must be prompts to draw from; got none'],
    [
      'option',
      () => singleStreamSpo({ rewards: [1], baselines: [1] }, { epsilon: -1 }),
      'singleStreamSpo: epsilon must be a finite number of at least 0; got -1',
    ],
    [
      'shape',
      () => singleStreamSpo({ rewards: [], baselines: [] }),
      'singleStreamSpo: rewards must be of at least one response; got length 0',
    ],
    [
      'shape',
      () => singleStreamSpo({ rewards: [1], baselines: [] }),
      'singleStreamSpo: baselines must be of length 1; got length 0',
    ],
    [
      'data',
      () => singleStreamSpo({ rewards: [1], baselines: [Number.NaN] }),
      'singleStreamSpo: baselines[0] must be finite; got NaN',
    ],
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
