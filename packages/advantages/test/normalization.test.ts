import { type Grid, gridOf, isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { analyticAdvantages, analyticBaseline, normalizeAdvantages, whiten } from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-12 };
const real = fc.double({ min: -5, max: 5, noNaN: true });
const probability = fc.double({ min: 0.001, max: 0.999, noNaN: true });
const logits = fc.double({ min: -30, max: 30, noNaN: true });
const only = (values: readonly number[]): Grid => gridOf([values]);

/** Values with weights 0 and 1, at least `least` of them 1, spread well above epsilon: x = 0, 1, 2, ... plus noise. */
const spread = (least: number): fc.Arbitrary<{ x: number[]; m: number[] }> =>
  fc
    .array(fc.record({ noise: fc.double({ min: -0.4, max: 0.4, noNaN: true }), masked: fc.boolean() }), {
      maxLength: 12,
    })
    .map((entries) => ({
      x: [...Array.from({ length: least }, (_, i) => i + 0.3), ...entries.map(({ noise }, i) => least + i + noise)],
      m: [...Array.from({ length: least }, () => 1), ...entries.map(({ masked }) => (masked ? 0 : 1))],
    }));

/** Whitening from its definition, over pairs. */
function whitened(
  x: readonly number[],
  w: readonly number[],
  kind: 'sample' | 'population',
  shift: boolean,
  eps = 1e-8,
) {
  const n = w.reduce((a, b) => a + b, 0);
  const mean = x.reduce((s, v, i) => s + (w[i] === 0 ? 0 : v * (w[i] as number)), 0) / n;
  const squares = x.reduce((s, v, i) => s + (w[i] === 0 ? 0 : (w[i] as number) * (v - mean) * (v - mean)), 0);
  const deviation = Math.sqrt(squares / (kind === 'sample' ? n - 1 : n) + eps);
  return x.map((v, i) => (w[i] === 0 ? 0 : (v - mean) / deviation + (shift ? 0 : mean)));
}

describe('whiten', () => {
  test('is its definition, of both variances, with and without shift', () => {
    forAll([spread(2), fc.boolean(), fc.constantFrom('sample', 'population')], ({ x, m }, shiftMean, variance) => {
      const actual = whiten(only(x), only(m), { shiftMean, variance });
      expect(maxError(actual.data, whitened(x, m, variance, shiftMean), tight)).toBeLessThanOrEqual(1);
    });
  });

  test('takes weights with the population variance, counts with the sample variance', () => {
    forAll([spread(2), fc.infiniteStream(fc.double({ min: 0.1, max: 3, noNaN: true }))], ({ x, m }, stream) => {
      const w = m.map((on) => on * (stream.next().value as number));
      const actual = whiten(only(x), only(w), { variance: 'population' });
      expect(maxError(actual.data, whitened(x, w, 'population', true), tight)).toBeLessThanOrEqual(1);
      const counts = m.map((on, i) => on * (1 + (i % 3)));
      const repeat = (values: number[]): number[] =>
        values.flatMap((v, i) => Array.from({ length: counts[i] as number }, () => v));
      const long = whiten(only(repeat(x)), only(repeat(m)));
      expect(maxError(repeat([...whiten(only(x), only(counts)).data]), long.data, tight)).toBeLessThanOrEqual(1);
    });
  });

  test('has mean 0 and sample variance 1', () => {
    forAll([spread(3)], ({ x, m }) => {
      const kept = [...whiten(only(x), only(m)).data].filter((_, i) => m[i] === 1);
      const mean = kept.reduce((a, b) => a + b, 0) / kept.length;
      const variance = kept.reduce((s, v) => s + (v - mean) ** 2, 0) / (kept.length - 1);
      expect(mean).toBeCloseTo(0, 12);
      expect(Math.abs(variance - 1)).toBeLessThan(1e-6);
    });
  });

  test('whiten(a x + b) = whiten(x) for a > 0; whiten(−x) = −whiten(x); permutes with its input', () => {
    forAll([spread(3), fc.double({ min: 1, max: 9, noNaN: true }), real], ({ x, m }, a, b) => {
      const base = whiten(only(x), only(m)).data;
      const moved = whiten(only(x.map((v) => a * v + b)), only(m)).data;
      // ε beside a variance of at least 0.5 moves the result by at most ε.
      expect(maxError(moved, base, { absolute: 1e-12, relative: 1e-8 })).toBeLessThanOrEqual(1);
      expect(
        maxError(
          whiten(only(x.map((v) => -v)), only(m)).data,
          base.map((v) => -v),
          tight,
        ),
      ).toBeLessThanOrEqual(1);
      const back = whiten(only(x.toReversed()), only(m.toReversed())).data.toReversed();
      expect(maxError(back, base, tight)).toBeLessThanOrEqual(1);
    });
  });

  test('never reads a masked entry', () => {
    forAll([spread(2), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY)], ({ x, m }, junk) => {
      const dirty = x.map((v, i) => (m[i] === 0 ? junk : v));
      expect(whiten(only(dirty), only(m))).toEqual(whiten(only(x), only(m)));
    });
  });

  test('a large batch of one large value has no variance', () => {
    // Summed as they are, 1e5 of them miss their mean by 1e-2, which whitening made 1.
    const n = 100_000;
    const values = { rows: 1, columns: n, data: new Float64Array(n).fill(1e9 / 3) };
    const mask = { ...values, data: new Float64Array(n).fill(1) };
    expect(whiten(values, mask).data.every((x) => x === 0)).toBe(true);
  });

  test('edge cases: none, one, and no variance', () => {
    const none = only([0, 0]);
    for (const variance of ['sample', 'population'] as const) {
      expect([...whiten(only([5, Number.NaN]), none, { variance }).data]).toEqual([0, 0]);
      expect([...whiten(only([5, 7]), only([1, 0]), { variance }).data]).toEqual([0, 0]);
      expect([...whiten(only([5, 7]), only([1, 0]), { variance, shiftMean: false }).data]).toEqual([5, 0]);
      expect([...whiten(only([0.1, 0.1, 0.1]), only([1, 1, 1]), { variance }).data]).toEqual([0, 0, 0]);
      expect([...whiten(only([0.1, 0.1]), only([1, 1]), { variance, shiftMean: false, epsilon: 0 }).data]).toEqual([
        0.1, 0.1,
      ]);
    }
    expect(() => whiten(gridOf([]), gridOf([]))).toThrow('whiten: values must be of at least one response; got [0, 0]');
  });

  test.each([
    [
      'option',
      () => whiten(only([1]), only([1]), { epsilon: -1 }),
      'whiten: epsilon must be a finite number of at least 0; got -1',
    ],
    [
      'option',
      () => whiten(only([1]), only([1]), { variance: 'biased' as 'sample' }),
      `whiten: variance must be 'population' or 'sample'; got "biased"`,
    ],
    ['shape', () => whiten(only([1, 2]), only([1])), 'whiten: weights must be [1, 2] like values; got [1, 1]'],
    [
      'data',
      () => whiten(only([1, 2]), only([1, 0.5])),
      'whiten: weight[0, 1] must be a count (0, 1, 2, ...) for the sample variance; got 0.5',
    ],
    [
      'data',
      () => whiten(only([1, 2]), only([1, -1]), { variance: 'population' }),
      'whiten: weight[0, 1] must be finite and at least 0; got -1',
    ],
    [
      'data',
      () => whiten(only([Number.NaN]), only([1])),
      'whiten: values[0, 0] must be finite, for it counts; got NaN',
    ],
    [
      'option',
      () => normalizeAdvantages({ advantages: only([1]), weights: only([1]) }, { mode: 'center' as 'none' }),
      `normalizeAdvantages: mode must be 'scale', 'whiten' or 'none'; got "center"`,
    ],
    [
      'shape',
      () => analyticBaseline({ logits: [1], rewards0: [], rewards1: [1] }),
      'analyticBaseline: rewards0 must be of length 1; got length 0',
    ],
    [
      'shape',
      () => analyticAdvantages({ logits: [1], rewards0: [1], rewards1: [] }),
      'analyticAdvantages: rewards1 must be of length 1; got length 0',
    ],
  ] as const)('%s error, case %#', (code, call, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect(isTsrlError(thrown, code)).toBe(true);
    expect((thrown as Error).message).toBe(message);
  });
});

/** Behaviour logits and both rewards of a few examples. */
const decisions = fc
  .array(fc.record({ z: logits, r0: real, r1: real }), { minLength: 1, maxLength: 8 })
  .map((rows) => ({ logits: rows.map((r) => r.z), rewards0: rows.map((r) => r.r0), rewards1: rows.map((r) => r.r1) }));

const policyWeights = (z: readonly number[]): Grid =>
  gridOf(z.map((x) => [1 / (1 + Math.exp(x)), 1 / (1 + Math.exp(-x))]));

describe('analytic baseline', () => {
  test('golden: logComplement at z = 0.4', () => {
    const golden = { logits: [0.4], rewards1: [0.9130152524], rewards0: [-0.5130152524] };
    expect(maxError(analyticBaseline(golden), [0.340731613768], { absolute: 1e-12, relative: 0 })).toBeLessThanOrEqual(
      1,
    );
    const expected = [-0.853746866168, 0.572283638632];
    expect(maxError(analyticAdvantages(golden).data, expected, { absolute: 1e-12, relative: 0 })).toBeLessThanOrEqual(
      1,
    );
  });

  test('is the expected reward, and the advantages are the rewards less it', () => {
    forAll([decisions], (inputs) => {
      const value = analyticBaseline(inputs);
      const { data } = analyticAdvantages(inputs);
      inputs.logits.forEach((z, i) => {
        const p = Math.exp(z) / (1 + Math.exp(z));
        const r0 = inputs.rewards0[i] as number;
        const r1 = inputs.rewards1[i] as number;
        expect(maxError([value[i] as number], [p * r1 + (1 - p) * r0], tight)).toBeLessThanOrEqual(1);
        expect(maxError([data[2 * i] as number], [r0 - (value[i] as number)], tight)).toBeLessThanOrEqual(1);
        expect(maxError([data[2 * i + 1] as number], [r1 - (value[i] as number)], tight)).toBeLessThanOrEqual(1);
      });
    });
  });

  test('the advantages keep their digits where the policy is certain', () => {
    const { data } = analyticAdvantages({ logits: [40, -40], rewards0: [-1, -1], rewards1: [1, 1] });
    const small = 2 * 4.248354255291589e-18;
    expect(maxError(data, [-2, small, -small, 2], { absolute: 1e-30, relative: 1e-14 })).toBeLessThanOrEqual(1);
    const far = { logits: [1e4, -1e4], rewards0: [-1e4, 3], rewards1: [2, 1e4] };
    expect([...analyticBaseline(far)]).toEqual([2, 3]);
    for (const a of analyticAdvantages(far).data) expect(a).toSatisfy(Number.isFinite);
  });

  test('a value between the rewards; equal rewards leave no advantage; swapping the actions swaps the columns', () => {
    forAll([decisions], ({ logits: z, rewards0, rewards1 }) => {
      analyticBaseline({ logits: z, rewards0, rewards1 }).forEach((v, i) => {
        const [low, high] = [rewards0[i] as number, rewards1[i] as number].sort((a, b) => a - b) as [number, number];
        // Below the normal numbers a rounding is absolute.
        expect(v).toBeGreaterThanOrEqual(low - 1e-14 * Math.abs(low) - 2 ** -1022);
        expect(v).toBeLessThanOrEqual(high + 1e-14 * Math.abs(high) + 2 ** -1022);
      });
      expect(analyticAdvantages({ logits: z, rewards0, rewards1: rewards0 }).data.every((a) => a === 0)).toBe(true);
      const swapped = analyticAdvantages({ logits: z.map((x) => -x), rewards0: rewards1, rewards1: rewards0 }).data;
      expect(
        maxError(
          swapped.toReversed(),
          analyticAdvantages({
            logits: z.toReversed(),
            rewards0: rewards0.toReversed(),
            rewards1: rewards1.toReversed(),
          }).data,
          tight,
        ),
      ).toBe(0);
    });
  });
});

describe('normalizeAdvantages', () => {
  test('scale divides by the weighted deviation, whiten subtracts the weighted mean first', () => {
    forAll([fc.array(fc.tuple(real, probability), { minLength: 2, maxLength: 9 })], (pairs) => {
      const a = pairs.map(([x], i) => x + 10 * (i % 2));
      const w = pairs.map(([, p]) => p);
      const total = w.reduce((s, x) => s + x, 0);
      const mean = a.reduce((s, x, i) => s + x * (w[i] as number), 0) / total;
      const variance = a.reduce((s, x, i) => s + (w[i] as number) * (x - mean) ** 2, 0) / total;
      const inputs = { advantages: only(a), weights: only(w) };
      const scaled = normalizeAdvantages(inputs);
      const deviation = Math.sqrt(variance + 1e-8);
      if (variance < 1e-6) return;
      expect(
        maxError(
          scaled.advantages.data,
          a.map((x) => x / deviation),
          tight,
        ),
      ).toBeLessThanOrEqual(1);
      expect(scaled.metrics['mean']).toBeCloseTo(mean, 12);
      expect(scaled.metrics['std']).toBeCloseTo(Math.sqrt(variance), 12);
      expect(scaled.metrics['normalized']).toBe(1);
      const white = normalizeAdvantages(inputs, { mode: 'whiten' }).advantages;
      expect(
        maxError(
          white.data,
          a.map((x) => (x - mean) / deviation),
          tight,
        ),
      ).toBeLessThanOrEqual(1);
      expect(white).toEqual(whiten(only(a), only(w), { variance: 'population' }));
      expect(normalizeAdvantages(inputs, { mode: 'none' })).toMatchObject({
        advantages: only(a),
        metrics: { normalized: 0 },
      });
    });
  });

  test('of exact-baseline advantages under the policy: whiten = scale, and kappa drops out', () => {
    const mild = fc.array(
      fc.record({ z: fc.double({ min: -3, max: 3, noNaN: true }), gap: fc.double({ min: 1, max: 5, noNaN: true }) }),
      { minLength: 1, maxLength: 8 },
    );
    forAll([mild, fc.double({ min: 1, max: 20, noNaN: true })], (rows, kappa) => {
      const z = rows.map((r) => r.z);
      const weights = policyWeights(z);
      const advantagesAt = (k: number): Grid =>
        analyticAdvantages({ logits: z, rewards0: z.map(() => 0), rewards1: rows.map((r) => k * r.gap) });
      const scaled = normalizeAdvantages({ advantages: advantagesAt(1), weights });
      const white = normalizeAdvantages({ advantages: advantagesAt(1), weights }, { mode: 'whiten' });
      expect(maxError(white.advantages.data, scaled.advantages.data, tight)).toBeLessThanOrEqual(1);
      // ε = 1e-8 beside a variance of at least p (1 − p) gap² > 0.045
      const times = normalizeAdvantages({ advantages: advantagesAt(kappa), weights });
      expect(
        maxError(times.advantages.data, scaled.advantages.data, { absolute: 0, relative: 2e-7 }),
      ).toBeLessThanOrEqual(1);
    });
  });

  test('the sample variance of sampled actions is unbiased', () => {
    const { advantages, metrics } = normalizeAdvantages(
      { advantages: only([1, 9, 3, 5]), weights: only([1, 0, 2, 1]) },
      { variance: 'sample', epsilon: 0 },
    );
    const deviation = Math.sqrt((4 + 0 + 0 + 4) / 3); // of 1, 3, 3, 5
    expect(metrics['std']).toBeCloseTo(deviation, 14);
    expect(maxError(advantages.data, [1 / deviation, 0, 3 / deviation, 5 / deviation], tight)).toBeLessThanOrEqual(1);
  });

  test('leaves advantages without variance as they are', () => {
    for (const mode of ['scale', 'whiten'] as const) {
      const { advantages, metrics } = normalizeAdvantages(
        { advantages: only([3, 3 + 1e-7, Number.NaN]), weights: only([0.5, 0.5, 0]) },
        { mode },
      );
      expect([...advantages.data]).toEqual([3, 3 + 1e-7, 0]);
      expect(metrics['normalized']).toBe(0);
    }
  });
});
