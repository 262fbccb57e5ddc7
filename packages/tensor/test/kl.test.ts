import * as tf from '@tensorflow/tfjs-core';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clampTo, fullKl, type KlEstimator, k1, k2, k3, kAbs, straightThrough } from '../src/index.ts';

const clamp = (x: number, bound: number): number => Math.min(Math.max(x, -bound), bound);
const sum = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0);

/** exp(−d) − 1 + d, without the cancellation that would spoil the oracle itself. */
const excess = (d: number): number =>
  Math.abs(d) < 1e-2 ? d ** 2 / 2 - d ** 3 / 6 + d ** 4 / 24 - d ** 5 / 120 : Math.expm1(-d) + d;

const estimators: Record<string, { of: KlEstimator; value: (d: number) => number; slope: (d: number) => number }> = {
  k1: { of: k1, value: (d) => d, slope: () => 1 },
  kAbs: { of: kAbs, value: Math.abs, slope: Math.sign },
  k2: { of: k2, value: (d) => d ** 2 / 2, slope: (d) => d },
  k3: { of: k3, value: excess, slope: (d) => -Math.expm1(-d) },
  'straightThrough(k1)': { of: straightThrough(k1), value: (d) => d, slope: (d) => d },
  'straightThrough(kAbs)': { of: straightThrough(kAbs), value: Math.abs, slope: (d) => d },
  'straightThrough(k3)': { of: straightThrough(k3), value: excess, slope: (d) => d },
};

const read = (compute: () => tf.Tensor): Float32Array => {
  const result = tf.tidy(compute);
  const data = Float32Array.from(result.dataSync());
  result.dispose();
  return data;
};
const apply = (of: KlEstimator, a: number[], b: number[], options = {}): Float32Array =>
  read(() => of(tf.tensor1d(a), tf.tensor1d(b), options));
const slopes = (of: KlEstimator, a: number[], b: number[], options = {}): [Float32Array, Float32Array] => {
  const f = (x: tf.Tensor, y: tf.Tensor): tf.Tensor => tf.sum(of(x, y, options));
  const both = tf.tidy(() => tf.grads(f as (...x: tf.Tensor[]) => tf.Tensor)([tf.tensor1d(a), tf.tensor1d(b)]));
  const data = both.map((g) => Float32Array.from(g.dataSync()));
  tf.dispose(both);
  return data as [Float32Array, Float32Array];
};

/** Log-probs on a grid of 1/1024, whose differences float32 holds exactly; none at a kink. */
const logProb = fc.integer({ min: -8192, max: 0 }).map((k) => k / 1024);
const pairs = fc.array(fc.tuple(logProb, logProb), { minLength: 1, maxLength: 8 });

describe.each(Object.entries(estimators))('%s', (name, { of, value, slope }) => {
  test('has its value and its gradient in both arguments', () => {
    forAll([pairs], (ab) => {
      const [a, b] = [ab.map(([x]) => x), ab.map(([, y]) => y)];
      const d = ab.map(([x, y]) => x - y);
      expect(maxError(apply(of, a, b), d.map(value), float32)).toBeLessThan(1);
      const [inFirst, inSecond] = slopes(of, a, b);
      expect(maxError(inFirst, d.map(slope), float32)).toBeLessThan(1);
      expect(
        maxError(
          inSecond,
          d.map((x) => -slope(x)),
          float32,
        ),
      ).toBeLessThan(1);
    });
  });

  test('clamps the log-ratio to ±20 and then, if asked, the value, with gradient 0 beyond', () => {
    const [a, b] = [
      [0, -30, 0, -15],
      [-30, 0, -15, 0],
    ];
    const d = [20, -20, 15, -15];
    expect(maxError(apply(of, a, b), d.map(value), float32)).toBeLessThan(1);
    const [clamped] = slopes(of, a, b);
    expect(maxError(clamped, [0, 0, slope(15), slope(-15)], float32)).toBeLessThan(1);

    const options = { clamp: 18, maxValue: 16 };
    const bounded = d.map((x) => clamp(value(clamp(x, 18)), 16));
    expect(maxError(apply(of, a, b, options), bounded, float32)).toBeLessThan(1);
    const through = name.startsWith('straight');
    const expected = [15, -15].map((x) => (through || Math.abs(value(x)) < 16 ? slope(x) : 0));
    expect(maxError(slopes(of, a, b, options)[0], [0, 0, ...expected], float32)).toBeLessThan(1);

    const open = { clamp: Infinity };
    expect(maxError(apply(of, a, b, open), [value(30), value(-30), value(15), value(-15)], float32)).toBeLessThan(1);
  });

  test('a reference without support gives the clamp value, NaN stays NaN', () => {
    const [first, second] = apply(of, [-1, Number.NaN], [-Infinity, -1]);
    expect(maxError([first as number], [value(20)], float32)).toBeLessThan(1);
    expect(second).toBeNaN();
  });

  test('is 0 for equal policies, and frees what it made', () => {
    const x = tf.tensor2d([[-1, -2]]);
    const before = tf.memory().numTensors;
    const result = of(x, x);
    expect(tf.memory().numTensors).toBe(before + 1);
    expect([...result.dataSync()]).toEqual([0, 0]);
    tf.dispose([x, result]);
  });

  test('says what is wrong', () => {
    tf.tidy(() => {
      expect(() => of(tf.zeros([2, 3]), tf.zeros([2, 4]))).toThrow(
        /^k\w+: refLogProbs must be float32 \[2, 3\] like logProbs; got float32 \[2, 4\]$/,
      );
    });
  });
});

test('the numbers of the specification', () => {
  const at = (of: KlEstimator): number => apply(of, [-1.2], [-0.7])[0] as number;
  expect(maxError([at(k1), at(k2), at(k3), at(kAbs)], [-0.5, 0.125, 0.1487212707, 0.5], float32)).toBeLessThan(1);
});

describe.each(['by the kernel', 'by operations, where no backend has it'])('k3 %s', (how) => {
  const backend = process.env['TSRL_BACKEND'] as string;
  let kernel: tf.KernelConfig | undefined;
  beforeAll(() => {
    if (how === 'by the kernel') return;
    kernel = tf.getKernel('TsrlK3', backend) as tf.KernelConfig | undefined;
    if (kernel) tf.unregisterKernel('TsrlK3', backend);
  });
  afterAll(() => {
    if (kernel) tf.registerKernel({ ...kernel, kernelName: 'TsrlK3', backendName: backend });
  });

  test('has its value, and the gradient that differences of the oracle have, between any clamps', () => {
    forAll([pairs, fc.constantFrom(0.25, 3, 20, Infinity), fc.constantFrom(0.5, 40, Infinity)], (ab, bound, most) => {
      const value = (d: number): number => Math.min(excess(clamp(d, bound)), most);
      // No difference has a meaning at a kink.
      const smooth = ab.filter(([x, y]) => {
        const d = x - y;
        return Math.abs(Math.abs(d) - bound) > 1e-3 && Math.abs(excess(clamp(d, bound)) - most) > 1e-3;
      });
      const [a, b] = [smooth.map(([x]) => x), smooth.map(([, y]) => y)];
      const options = { clamp: bound, maxValue: most };
      const d = smooth.map(([x, y]) => x - y);
      expect(maxError(apply(k3, a, b, options), d.map(value), float32)).toBeLessThan(1);
      const [inFirst, inSecond] = slopes(k3, a, b, options);
      const difference = finiteDifference((d) => sum(d.map(value)), d);
      expect(maxError(inFirst, difference, float32)).toBeLessThan(1);
      expect(
        maxError(
          inSecond,
          difference.map((x) => -x),
          float32,
        ),
      ).toBeLessThan(1);
    });
  });

  test('keeps its digits for tiny log-ratios, where exp(−d) − 1 + d has none, and so does its slope', () => {
    const d = [1e-6, -1e-5, 1e-4, 3e-3, -0.05, 0.29, 0.31, -0.29, -0.31, 0.69, -0.7].map(Math.fround);
    const zeros = d.map(() => 0);
    const relative = { absolute: 1e-20, relative: 1e-6 };
    expect(maxError(apply(k3, d, zeros), d.map(excess), relative)).toBeLessThan(1);
    const rise = d.map((x) => -Math.expm1(-x));
    expect(maxError(slopes(k3, d, zeros)[0], rise, relative)).toBeLessThan(1);
  });

  test('at the clamp the gradient is that of the inside; NaN is seen in value and gradient, and is nobody else’s', () => {
    const d = [20, -20, 21, -21, Infinity, -Infinity, Number.NaN];
    const zeros = d.map(() => 0);
    const [high, low] = [excess(20), excess(-20)];
    expect(maxError(apply(k3, d, zeros), [high, low, high, low, high, low, Number.NaN], float32)).toBeLessThan(1);
    const rise = [-Math.expm1(-20), -Math.expm1(20), 0, 0, 0, 0, Number.NaN];
    expect(maxError(slopes(k3, d, zeros)[0], rise, float32)).toBeLessThan(1);
  });
});

describe('what the estimators estimate, by enumeration of a vocabulary', () => {
  const pi = [0.2, 0.5, 0.3];
  const ref = [0.4, 0.4, 0.2];
  const kl = sum(pi.map((p, i) => p * Math.log(p / (ref[i] as number))));
  const logRef = ref.map(Math.log);
  const expectation = (of: KlEstimator): number =>
    sum(apply(of, pi.map(Math.log), logRef).map((k, i) => k * (pi[i] as number)));
  /** E_π[∇ estimate] in the logits, the sample fixed: ∂ log π(a) / ∂ x_j = 1[a = j] − π_j. */
  const expectedGradient = (of: KlEstimator): number[] => {
    const [slope] = slopes(of, pi.map(Math.log), logRef);
    return pi.map((pj, j) => sum(pi.map((p, a) => p * (slope[a] as number) * ((a === j ? 1 : 0) - pj))));
  };
  const reverse = [-0.1575458105, 0.0642808397, 0.0932649708];
  const forward = pi.map((p, i) => p - (ref[i] as number));

  test('k1 and k3 are unbiased, k2 is not', () => {
    expect(kl).toBeCloseTo(0.094581872, 9);
    expect(maxError([k1, k3, k2].map(expectation), [kl, kl, 0.0851538556], float32)).toBeLessThan(1);
  });

  test('as losses: k1 does nothing, k2 and the straight-through ones lower KL(π ‖ ref), k3 lowers KL(ref ‖ π)', () => {
    expect(maxError(expectedGradient(k1), [0, 0, 0], float32)).toBeLessThan(1);
    for (const of of [k2, straightThrough(k3), straightThrough(k1), straightThrough(kAbs)]) {
      expect(maxError(expectedGradient(of), reverse, float32)).toBeLessThan(1);
    }
    expect(maxError(expectedGradient(k3), forward, float32)).toBeLessThan(1);
  });

  test('fullKl has the exact values and gradients of both directions', () => {
    const logits = (): tf.Tensor2D => tf.tensor2d([pi.map(Math.log)]);
    const refLogits = (): tf.Tensor2D => tf.tensor2d([logRef]);
    expect(read(() => fullKl(logits(), refLogits()))[0]).toBeCloseTo(kl, 6);
    const slope = (direction: 'reverse' | 'forward'): Float32Array =>
      read(() => tf.grad((x) => tf.sum(fullKl(x, refLogits() as tf.Tensor, { direction })))(logits()));
    expect(maxError(slope('reverse'), reverse, float32)).toBeLessThan(1);
    expect(maxError(slope('forward'), forward, float32)).toBeLessThan(1);
  });
});

describe('fullKl', () => {
  const divergence = (x: ArrayLike<number>, y: ArrayLike<number>, temperature: number): number => {
    const logSoftmax = (z: ArrayLike<number>): number[] => {
      const scaled = Array.from(z, (v) => v / temperature);
      const top = Math.max(...scaled);
      const total = Math.log(sum(scaled.map((v) => Math.exp(v - top)))) + top;
      return scaled.map((v) => v - total);
    };
    const [p, q] = [logSoftmax(x), logSoftmax(y)];
    return sum(p.map((lp, i) => (lp === -Infinity ? 0 : Math.exp(lp) * (lp - (q[i] as number)))));
  };
  const logit = fc.integer({ min: -96, max: 96 }).map((k) => k / 32);
  const cases = fc.integer({ min: 1, max: 5 }).chain((v) => {
    const row = fc.array(logit, { minLength: v, maxLength: v });
    return fc.array(fc.tuple(row, row), { minLength: 1, maxLength: 3 });
  });

  test('agrees with its definition, with its gradients, in both directions and at every temperature', () => {
    const directions = fc.constantFrom<'reverse' | 'forward'>('reverse', 'forward');
    forAll([cases, directions, fc.constantFrom(0.5, 1, 2)], (rows, direction, temperature) => {
      const oracle = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
        direction === 'reverse' ? divergence(x, y, temperature) : divergence(y, x, temperature);
      const options = { direction, temperature };
      const x = (): tf.Tensor => tf.tensor2d(rows.map(([a]) => a));
      const y = (): tf.Tensor => tf.tensor2d(rows.map(([, b]) => b));
      expect(
        maxError(
          read(() => fullKl(x(), y(), options)),
          rows.map(([a, b]) => oracle(a, b)),
          float32,
        ),
      ).toBeLessThan(1);

      const expected = rows.map(([a, b]) => [
        ...finiteDifference((z) => oracle(z, b), a),
        ...finiteDifference((z) => oracle(a, z), b),
      ]);
      const actual = read(() => {
        const f = (...[u, w]: tf.Tensor[]): tf.Tensor => tf.sum(fullKl(u as tf.Tensor, w as tf.Tensor, options));
        return tf.concat(tf.grads(f)([x(), y()]), 1);
      });
      // The gradient is p times a difference of log-ratios, whose rounding errors grow with them.
      const ratio = Math.max(
        1,
        ...rows.flatMap(([a, b]) => a.map((z, i) => Math.abs(z - (b[i] as number)) / temperature)),
      );
      const tolerance = { absolute: 1e-6 * ratio, relative: 2e-5 };
      expect(maxError(actual, expected.flat(), tolerance)).toBeLessThan(1);
    });
  });

  test('is never negative beyond rounding, and 0 for distributions that are equal', () => {
    forAll([cases, logit], (rows, shift) => {
      const same = read(() =>
        fullKl(tf.tensor2d(rows.map(([a]) => a)), tf.tensor2d(rows.map(([a]) => a.map((z) => z + shift)))),
      );
      expect(
        maxError(
          same,
          rows.map(() => 0),
          float32,
        ),
      ).toBeLessThan(1);
      const kl = read(() => fullKl(tf.tensor2d(rows.map(([a]) => a)), tf.tensor2d(rows.map(([, b]) => b))));
      for (const value of kl) expect(value).toBeGreaterThan(-1e-6);
    });
  });

  test('−∞ logits: 0 where π has no support, the bound with gradient 0 where only the reference has none', () => {
    const x = [0, -Infinity, 1, 0, 0, 0];
    const y = [0, 1, 1, 0, -Infinity, 1];
    const f = (u: tf.Tensor, w: tf.Tensor, maxValue?: number): tf.Tensor =>
      fullKl(u, w, maxValue === undefined ? {} : { maxValue });
    const kl = read(() => f(tf.tensor2d(x, [2, 3]), tf.tensor2d(y, [2, 3])));
    expect(maxError(kl, [divergence([0, -Infinity, 1], [0, 1, 1], 1), 20], float32)).toBeLessThan(1);
    const gradients = read(() =>
      tf.concat(
        tf.grads((u, w) => tf.sum(f(u as tf.Tensor, w as tf.Tensor)))([tf.tensor2d(x, [2, 3]), tf.tensor2d(y, [2, 3])]),
        1,
      ),
    );
    expect(gradients.every(Number.isFinite)).toBe(true);
    expect(gradients.slice(6).every((x) => x === 0)).toBe(true);
    expect(read(() => f(tf.tensor2d([[5, 0]]), tf.tensor2d([[0, 5]]), 1))[0]).toBe(1);
  });

  test('says what is wrong', () => {
    tf.tidy(() => {
      expect(() => fullKl(tf.zeros([2, 3]), tf.zeros([2, 4]))).toThrow(
        'fullKl: refLogits must be float32 [2, 3] like logits; got float32 [2, 4]',
      );
      expect(() => fullKl(tf.zeros([2, 3]), tf.zeros([2, 3]), { temperature: 0 })).toThrow('fullKl: temperature');
    });
  });
});

test('clampTo keeps NaN on every backend, and bounds what is infinite', () => {
  const x = [Number.NaN, -Infinity, Infinity, -3, 0.5];
  expect([...read(() => clampTo(tf.tensor1d(x), 2))]).toEqual([Number.NaN, -2, 2, -2, 0.5]);
  expect([...read(() => clampTo(tf.tensor1d(x), Infinity))]).toEqual([Number.NaN, -Infinity, Infinity, -3, 0.5]);
});
