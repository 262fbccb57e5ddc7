import * as tf from '@tensorflow/tfjs-core';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import { maskedMean, maskedSum, maskedVariance, whiten, zeroMasked } from '../src/index.ts';

interface Case {
  readonly shape: [number, number];
  readonly x: number[];
  readonly m: number[];
  readonly w: number[];
}

const value = fc.integer({ min: -128, max: 128 }).map((k) => k / 16);
const cases = (mask: fc.Arbitrary<number>): fc.Arbitrary<Case> =>
  fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 })).chain(([b, t]) => {
    const array = (of: fc.Arbitrary<number>): fc.Arbitrary<number[]> =>
      fc.array(of, { minLength: b * t, maxLength: b * t });
    return fc.record({
      shape: fc.constant<[number, number]>([b, t]),
      x: array(value),
      m: array(mask),
      w: array(value),
    });
  });
const binary = fc.constantFrom(0, 1);
const weights = fc.constantFrom(0, 0.25, 1, 2);

const sum = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0);

// One group of values with its mask, by definition.
const oracle = {
  sum: (x: number[], m: number[]): number => sum(x.map((v, i) => ((m[i] as number) > 0 ? v * (m[i] as number) : 0))),
  mean: (x: number[], m: number[]): number => (sum(m) > 0 ? oracle.sum(x, m) / sum(m) : 0),
  variance: (x: number[], m: number[], kind: 'sample' | 'population'): number => {
    const freedom = sum(m) - (kind === 'sample' ? 1 : 0);
    const mean = oracle.mean(x, m);
    return freedom > 0
      ? oracle.sum(
          x.map((v) => (v - mean) ** 2),
          m,
        ) / freedom
      : 0;
  },
  whiten: (x: number[], m: number[], kind: 'sample' | 'population', shiftMean: boolean, epsilon: number): number[] => {
    const variance = oracle.variance(x, m, kind);
    const mean = oracle.mean(x, m);
    return x.map((v, i) => {
      if ((m[i] as number) <= 0) return 0;
      if (variance <= 1e-12) return shiftMean ? 0 : v;
      return (v - mean) / Math.sqrt(variance + epsilon) + (shiftMean ? 0 : mean);
    });
  },
};

/** Applies a function of one group to everything, or to each column (axis 0) or row (axis 1, −1). */
function grouped<R>(
  { shape: [b, t], m }: Case,
  x: ArrayLike<number>,
  axis: number | undefined,
  f: (x: number[], m: number[]) => R,
): { result: R; places: number[] }[] {
  const all = Array.from({ length: b * t }, (_, i) => i);
  const key = (i: number): number => (axis === undefined ? 0 : axis === 0 ? i % t : Math.floor(i / t));
  const groups = axis === undefined ? 1 : axis === 0 ? t : b;
  return Array.from({ length: groups }, (_, g) => {
    const places = all.filter((i) => key(i) === g);
    return {
      result: f(
        places.map((i) => x[i] as number),
        places.map((i) => m[i] as number),
      ),
      places,
    };
  });
}

const read = (compute: () => tf.Tensor): Float32Array => {
  const result = tf.tidy(compute);
  const data = Float32Array.from(result.dataSync());
  result.dispose();
  return data;
};
const run = (f: (x: tf.Tensor, mask: tf.Tensor) => tf.Tensor, { shape, x, m }: Case): Float32Array =>
  read(() => f(tf.tensor(x, shape), tf.tensor(m, shape)));

/** d Σ w f(x) / dx on the device. */
const slope = (f: (x: tf.Tensor, mask: tf.Tensor) => tf.Tensor, { shape, x, m, w }: Case): Float32Array =>
  read(() => {
    const mask = tf.tensor(m, shape);
    const weighted = (y: tf.Tensor): tf.Tensor => {
      const result = f(y, mask);
      return tf.sum(tf.mul(result, tf.reshape(tf.tensor1d(w.slice(0, result.size)), result.shape)));
    };
    return tf.grad(weighted)(tf.tensor(x, shape));
  });

const axes = fc.constantFrom(undefined, 0, 1, -1);
const kinds = fc.constantFrom('sample', 'population');
const axisOf = (axis: number | undefined): { axis?: number } => (axis === undefined ? {} : { axis });

describe.each(['by kernels', 'by operations, where no backend has them'])(
  '%s: maskedSum, maskedMean, maskedVariance',
  (how) => {
    const backend = process.env['TSRL_BACKEND'] as string;
    let kernels: tf.KernelConfig[] = [];
    beforeAll(() => {
      if (how === 'by kernels') return;
      kernels = tf.getKernelsForBackend(backend).filter(({ kernelName }) => /^Tsrl.*Masked/.test(kernelName));
      if (backend !== 'webgpu') expect(kernels).toHaveLength(2);
      for (const { kernelName } of kernels) tf.unregisterKernel(kernelName, backend);
    });
    afterAll(() => {
      for (const kernel of kernels) tf.registerKernel(kernel);
    });

    test('are their definitions, with their gradients, along every axis and with weights', () => {
      forAll([cases(weights), axes], (input, axis) => {
        const check = (
          f: (x: tf.Tensor, mask: tf.Tensor) => tf.Tensor,
          definition: (x: number[], m: number[]) => number,
        ): void => {
          const expected = (x: ArrayLike<number>): number[] =>
            grouped(input, x, axis, definition).map(({ result }) => result);
          expect(maxError(run(f, input), expected(input.x), float32)).toBeLessThan(1);
          const dot = (x: ArrayLike<number>): number => sum(expected(x).map((y, i) => y * (input.w[i] as number)));
          expect(maxError(slope(f, input), finiteDifference(dot, input.x, 1e-4), float32)).toBeLessThan(1);
        };
        check((x, m) => maskedSum(x, m, axisOf(axis)), oracle.sum);
        check((x, m) => maskedMean(x, m, axisOf(axis)), oracle.mean);
        check(
          (x, m) => maskedVariance(x, m, { kind: 'population', ...axisOf(axis) }),
          (x, m) => oracle.variance(x, m, 'population'),
        );
      });
    });

    test('the variance is that of a sample by default, and 0 for one value', () => {
      forAll([cases(binary), axes], (input, axis) => {
        const expected = grouped(input, input.x, axis, (x, m) => oracle.variance(x, m, 'sample'));
        const actual = run((x, m) => maskedVariance(x, m, axisOf(axis)), input);
        expect(
          maxError(
            actual,
            expected.map(({ result }) => result),
            float32,
          ),
        ).toBeLessThan(1);
      });
    });

    test('give a scalar unless there is an axis', () => {
      tf.tidy(() => {
        const x = tf.ones([2, 3]);
        expectTypeOf(maskedMean(x, x)).toEqualTypeOf<tf.Scalar>();
        expectTypeOf(maskedVariance(x, x, { kind: 'population' })).toEqualTypeOf<tf.Scalar>();
        expectTypeOf(maskedSum(x, x, { axis: 1 })).toEqualTypeOf<tf.Tensor>();
        expect([
          maskedSum(x, x).shape,
          maskedSum(x, x, { axis: 0 }).shape,
          maskedMean(x, x, { axis: -1 }).shape,
        ]).toEqual([[], [3], [2]]);
      });
    });

    test('an axis that is not there', () => {
      tf.tidy(() => {
        for (const [shape, axis] of [
          [[], -1],
          [[], 0],
          [[2, 3], 2],
          [[2, 3], -3],
        ] as [number[], number][]) {
          const x = tf.ones(shape);
          for (const f of [maskedSum, maskedMean]) expect(() => f(x, x, { axis })).toThrow(`got axis ${axis}`);
        }
      });
    });

    test('a gradient of NaN stops at the mask', () => {
      const m = [1, 0, 0.5, 0, 0, 0];
      const input: Case = { shape: [2, 3], x: [3, 1, 4, 1, 5, 9], m, w: [Number.NaN, ...Array(5).fill(Infinity)] };
      const stops = [
        (x: tf.Tensor, mask: tf.Tensor) => zeroMasked(x, mask),
        ...[maskedSum, maskedMean].flatMap((f) =>
          [undefined, 0, 1].map((axis) => (x: tf.Tensor, mask: tf.Tensor) => f(x, mask, axisOf(axis))),
        ),
      ];
      for (const f of stops) {
        const dx = slope(f, input);
        expect(dx[0]).toBeNaN();
        expect(m.flatMap((weight, i) => (weight === 0 ? [dx[i]] : []))).toEqual([0, 0, 0, 0]);
      }
    });

    test('no gradient goes into the mask, and the second derivative is that of the formula', () => {
      const [x, m] = [
        [3, 1, 4, 1, 5, 9],
        [1, 0.5, 0, 2, 1, 0],
      ];
      for (const f of [maskedSum, maskedMean, maskedVariance, zeroMasked, whiten] as ((
        x: tf.Tensor,
        mask: tf.Tensor,
      ) => tf.Tensor)[]) {
        const dm = read(() => {
          const y = tf.tensor(x, [2, 3]);
          return tf.grad((mask) => tf.add(tf.sum(f(y, mask)), tf.sum(mask)))(tf.tensor(m, [2, 3]));
        });
        expect([...dm]).toEqual([1, 1, 1, 1, 1, 1]);
      }
      // Σ_i (Σ_t m x²)² has the first derivative 4 m x S, and the sum of that in its row the second one.
      const second = read(() => {
        const mask = tf.tensor(m, [2, 3]);
        const first = tf.grad((y: tf.Tensor) => tf.sum(tf.square(maskedSum(tf.square(y), mask, { axis: 1 }))));
        return tf.grad((y: tf.Tensor) => tf.sum(first(y)))(tf.tensor(x, [2, 3]));
      });
      const dot = (y: ArrayLike<number>): number => {
        const squares = Array.from(y, (v, i) => (m[i] as number) * v * v);
        const row = (i: number): number => sum(squares.slice(i - (i % 3), i - (i % 3) + 3));
        return sum(Array.from(y, (v, i) => 4 * (m[i] as number) * v * row(i)));
      };
      expect(maxError(second, finiteDifference(dot, x, 1e-4), float32)).toBeLessThan(1);
    });

    test('along each axis of three', () => {
      const shape = [2, 3, 5];
      const [x, m] = [1, 2].map((seed) => Array.from({ length: 30 }, (_, i) => ((i * 7 + seed) % 11) % (5 - seed)));
      for (const axis of [0, 1, 2, -1, -2]) {
        const stride = [15, 5, 1].at(axis) as number;
        const size = shape.at(axis) as number;
        const starts = Array.from({ length: 30 }, (_, i) => i).filter((i) => Math.floor(i / stride) % size === 0);
        const group = (of: number[] | undefined, i: number): number[] =>
          Array.from({ length: size }, (_, t) => (of as number[])[i + t * stride] as number);
        const kept = shape.filter((_, d) => d !== (axis + 3) % 3);
        const got = tf.tidy(() => {
          const tensors = [tf.tensor(x as number[], shape), tf.tensor(m as number[], shape)] as const;
          const means = maskedMean(...tensors, { axis });
          expect(means.shape).toEqual(kept);
          const centers = whiten(...tensors, { axis, kind: 'population' });
          return [means.dataSync(), maskedSum(centers, tensors[1], { axis }).dataSync()];
        }) as [Float32Array, Float32Array];
        const means = starts.map((i) => oracle.mean(group(x, i), group(m, i)));
        expect(maxError(got[0], means, float32)).toBeLessThan(1);
        expect(maxError(got[1], Array(kept[0]! * kept[1]!).fill(0), { absolute: 1e-5, relative: 0 })).toBeLessThan(1);
      }
    });

    test('a permutation changes nothing, a mask of ones is the plain statistic', () => {
      const x = [3, 1, 4, 1, 5, 9];
      for (const f of [maskedSum, maskedMean, maskedVariance]) {
        const ones = [1, 1, 1, 1, 1, 1];
        const there = run((y, m) => f(y, m), { shape: [2, 3], x, m: ones, w: x });
        const back = run((y, m) => f(y, m), { shape: [2, 3], x: [...x].reverse(), m: ones, w: x });
        expect(maxError(back, there, float32)).toBeLessThan(1);
      }
      const plain = { shape: [2, 3] as [number, number], x, m: [1, 1, 1, 1, 1, 1], w: x };
      expect(run((y, m) => maskedVariance(y, m), plain)[0]).toBeCloseTo(8.9666667, 5);
      expect(run((y, m) => maskedVariance(y, m, { kind: 'population' }), plain)[0]).toBeCloseTo(7.4722222, 5);
    });
  },
);

describe('whiten', () => {
  /** Inputs whose variance is 0 or far above the threshold: the grid of 1/16 leaves nothing in between. */
  test('is its definition, along every axis', () => {
    forAll([cases(binary), axes, kinds, fc.boolean()], (input, axis, kind, shiftMean) => {
      const expected = new Float64Array(input.x.length);
      const definition = (x: number[], m: number[]): number[] => oracle.whiten(x, m, kind, shiftMean, 1e-8);
      for (const { result, places } of grouped(input, input.x, axis, definition)) {
        places.forEach((place, i) => {
          expected[place] = result[i] as number;
        });
      }
      const actual = run((x, m) => whiten(x, m, { kind, shiftMean, ...axisOf(axis) }), input);
      expect(maxError(actual, expected, float32)).toBeLessThan(1);
    });
  });

  test('has its gradient', () => {
    forAll([cases(binary), kinds, fc.boolean()], (input, kind, shiftMean) => {
      fc.pre(oracle.variance(input.x, input.m, kind) > 0.01);
      const f = (x: tf.Tensor, m: tf.Tensor): tf.Tensor => whiten(x, m, { kind, shiftMean });
      const dot = (x: Float64Array): number =>
        sum(oracle.whiten([...x], input.m, kind, shiftMean, 1e-8).map((y, i) => y * (input.w[i] as number)));
      // The gradient is a difference of terms of size w · x² / σ³: that times float32's 1e-6 is its error.
      const spread = Math.sqrt(oracle.variance(input.x, input.m, kind));
      const size = 1 + (Math.max(...input.w.map(Math.abs)) * Math.max(...input.x.map(Math.abs)) ** 2) / spread ** 3;
      const tolerance = { absolute: 1e-6 * size, relative: 2e-5 };
      expect(maxError(slope(f, input), finiteDifference(dot, input.x), tolerance)).toBeLessThan(1);
    });
  });

  test('does not see a positive affine map, and turns with a negative sign', () => {
    forAll([cases(binary), fc.constantFrom(0.5, 2, 4), value], (input, a, b) => {
      fc.pre(oracle.variance(input.x, input.m, 'sample') > 0.01);
      const plain = run((x, m) => whiten(x, m), input);
      // ε = 1e-8 is all that tells a x + b from x: 1e-8 / 0.01 · x.
      const close = { absolute: 1e-5, relative: 2e-5 };
      expect(
        maxError(
          run((x, m) => whiten(x, m), { ...input, x: input.x.map((y) => a * y + b) }),
          plain,
          close,
        ),
      ).toBeLessThan(1);
      const turned = run((x, m) => whiten(x, m), { ...input, x: input.x.map((y) => -y) });
      expect(
        maxError(
          turned,
          plain.map((y) => -y),
          float32,
        ),
      ).toBeLessThan(1);
    });
  });

  test('never blows rounding noise up: equal values give 0, or themselves', () => {
    for (const constant of [0.1, 123.456, -7e4]) {
      const input = { shape: [20, 25] as [number, number], x: Array(500).fill(constant), m: Array(500).fill(1), w: [] };
      const flat = run((x, m) => whiten(x, m), input);
      expect(flat.every((y) => y === 0)).toBe(true);
      const kept = run((x, m) => whiten(x, m, { shiftMean: false }), input);
      expect(maxError(kept, input.x, float32)).toBeLessThan(1);
      const gradient = slope((x, m) => whiten(x, m, { epsilon: 0 }), { ...input, w: Array(500).fill(1) });
      expect(gradient.every((y) => y === 0)).toBe(true);
    }
  });

  test('with the numbers of the specification', () => {
    const x = [0.799675, 0.7365, 0.67, 0.6];
    const actual = run((y, m) => whiten(y, m), { shape: [1, 4], x, m: [1, 1, 1, 1], w: x });
    expect(maxError(actual, [1.1418370222, 0.4067444408, -0.3670372238, -1.1815442392], float32)).toBeLessThan(2);
  });
});

const statistics: Record<string, (x: tf.Tensor, m: tf.Tensor) => tf.Tensor> = {
  maskedSum,
  maskedMean,
  maskedVariance,
  whiten,
  zeroMasked,
};

describe.each(['maskedSum', 'maskedMean', 'maskedVariance', 'whiten', 'zeroMasked'] as const)('%s', (name) => {
  const f = (x: tf.Tensor, m: tf.Tensor): tf.Tensor =>
    (statistics[name] as (x: tf.Tensor, m: tf.Tensor) => tf.Tensor)(x, m);

  test('what is masked never matters: not NaN, not ∞, neither in the value nor in the gradient', () => {
    forAll([cases(binary), fc.constantFrom(Number.NaN, Infinity, -Infinity, 1e30)], (input, junk) => {
      const dirty = { ...input, x: input.x.map((y, i) => (input.m[i] === 0 ? junk : y)) };
      expect([...run(f, dirty)]).toEqual([...run(f, input)]);
      expect([...slope(f, dirty)]).toEqual([...slope(f, input)]);
    });
  });

  test('NaN where the mask is 1 is seen', () => {
    const result = run(f, { shape: [1, 3], x: [Number.NaN, 1, 2], m: [1, 1, 1], w: [] });
    expect(result.some(Number.isNaN)).toBe(true);
  });

  test('nothing to see gives 0, with gradient 0', () => {
    const empty: Case = { shape: [2, 2], x: [1, 2, 3, 4], m: [0, 0, 0, 0], w: [1, 1, 1, 1] };
    expect(run(f, empty).every((y) => y === 0)).toBe(true);
    expect([...slope(f, empty)]).toEqual([0, 0, 0, 0]);
  });

  test('says what is wrong', () => {
    tf.tidy(() => {
      expect(() => f(tf.zeros([2, 3]), tf.zeros([2, 4]))).toThrow(
        `${name}: mask must be float32 [2, 3] like x; got float32 [2, 4]`,
      );
      expect(() => f(tf.zeros([2, 3]), tf.zeros([2, 3], 'int32'))).toThrow('got int32 [2, 3]');
      expect(() => f(tf.zeros([2, 3], 'bool'), tf.zeros([2, 3]))).toThrow(
        `${name}: x must be float32 [2, 3]; got bool [2, 3]`,
      );
    });
  });
});

test('tensors without entries have the sum 0', () => {
  expect([...run((x, m) => maskedSum(x, m), { shape: [0, 3], x: [], m: [], w: [] })]).toEqual([0]);
  expect([...run((x, m) => maskedMean(x, m, { axis: 1 }), { shape: [2, 0], x: [], m: [], w: [] })]).toEqual([0, 0]);
});
