import * as tf from '@tensorflow/tfjs-core';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bernoulliEntropy, bernoulliKl, bernoulliLogProbs, entropy, fullKl } from '../src/index.ts';

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

// Written for the class that has the smaller probability, where float64 has digits to spare.
const H = (z: number): number => {
  const p = sigmoid(-Math.abs(z));
  return p === 0 ? 0 : softplus(-Math.abs(z)) + Math.abs(z) * p;
};
const KL = (z: number, y: number): number => {
  const [logit, old] = z > 0 ? [-z, -y] : [z, y];
  const d = old - logit;
  const p = sigmoid(logit);
  if (Math.abs(d) > 1e-3) return softplus(old) - softplus(logit) - p * d;
  const v = p * (1 - p); // the difference above has no digits left
  return (v * d ** 2) / 2 + (v * (1 - 2 * p) * d ** 3) / 6 + (v * (1 - 6 * v) * d ** 4) / 24;
};

const read = (compute: () => tf.Tensor): Float32Array => {
  const result = tf.tidy(compute);
  const data = Float32Array.from(result.dataSync());
  result.dispose();
  return data;
};
const logit = fc.oneof(
  fc.integer({ min: -640, max: 640 }).map((k) => k / 32),
  fc.constantFrom(-1e4, -200, -90, 90, 200, 1e4),
);
const logits = fc.array(logit, { minLength: 1, maxLength: 8 });
/** What counts for probabilities near 0 is how many of their digits are right. */
const digits = { absolute: 1e-37, relative: 2e-6 };

describe('bernoulliLogProbs', () => {
  test('is log sigmoid of both signs to the last digits, with its gradient', () => {
    forAll([logits], (z) => {
      const value = read(() => bernoulliLogProbs(tf.tensor1d(z)));
      expect(
        maxError(
          value,
          z.flatMap((x) => [-softplus(x), -softplus(-x)]),
          digits,
        ),
      ).toBeLessThan(1);
      const weight = z.flatMap((_, i) => [1 / (i + 1), 1]);
      const slope = read(() =>
        tf.grad((x) => tf.sum(tf.mul(bernoulliLogProbs(x as tf.Tensor1D), tf.tensor2d(weight, [z.length, 2]))))(
          tf.tensor1d(z),
        ),
      );
      expect(
        maxError(
          slope,
          z.map((x, i) => -sigmoid(x) / (i + 1) + sigmoid(-x)),
          float32,
        ),
      ).toBeLessThan(1);
    });
  });

  test('says what is wrong', () => {
    tf.tidy(() => {
      expect(() => bernoulliLogProbs(tf.zeros([2, 1]) as unknown as tf.Tensor1D)).toThrow(
        'bernoulliLogProbs: logits must be float32 [B]; got float32 [2, 1]',
      );
    });
  });
});

describe('bernoulliEntropy', () => {
  test('is its definition to the last digits, with its gradient −z p (1 − p)', () => {
    forAll([logits], (z) => {
      expect(
        maxError(
          read(() => bernoulliEntropy(tf.tensor1d(z))),
          z.map(H),
          digits,
        ),
      ).toBeLessThan(1);
      const slope = read(() => tf.grad((x) => tf.sum(bernoulliEntropy(x)))(tf.tensor1d(z)));
      const within = z.filter((x) => Math.abs(x) < 100);
      const expected = finiteDifference((x) => x.reduce((sum, y) => sum + H(y), 0), within);
      expect(
        maxError(
          slope.filter((_, i) => Math.abs(z[i] as number) < 100),
          expected,
          float32,
        ),
      ).toBeLessThan(1);
      expect(slope.every((x, i) => Math.abs(z[i] as number) < 100 || x === 0)).toBe(true);
    });
  });

  test('is 0 without NaN for infinite logits, log 2 at 0, and the entropy of two logits', () => {
    const z = [Infinity, -Infinity, 0];
    expect(
      maxError(
        read(() => bernoulliEntropy(tf.tensor1d(z))),
        [0, 0, Math.LN2],
        float32,
      ),
    ).toBeLessThan(1);
    const slope = read(() => tf.grad((x) => tf.sum(bernoulliEntropy(x)))(tf.tensor1d(z)));
    expect(maxError(slope, [0, 0, 0], float32)).toBeLessThan(1);
    const two = read(() => entropy(tf.tensor2d([[0, 1.5]])));
    expect(
      maxError(
        read(() => bernoulliEntropy(tf.tensor1d([1.5]))),
        two,
        float32,
      ),
    ).toBeLessThan(1);
  });

  test('says what is wrong', () => {
    tf.tidy(() => {
      expect(() => bernoulliEntropy(tf.zeros([1], 'int32'))).toThrow(
        'bernoulliEntropy: logits must be float32 [1]; got int32 [1]',
      );
    });
  });
});

describe('bernoulliKl', () => {
  const pairs = fc.array(fc.tuple(logit, logit), { minLength: 1, maxLength: 8 });

  test('is its definition, with its gradients', () => {
    forAll([pairs], (zy) => {
      const [z, y] = [zy.map(([a]) => a), zy.map(([, b]) => b)];
      const value = read(() => bernoulliKl(tf.tensor1d(z), tf.tensor1d(y)));
      expect(
        maxError(
          value,
          zy.map(([a, b]) => KL(a, b)),
          float32,
        ),
      ).toBeLessThan(1);
      const slopes = read(() =>
        tf.concat(
          tf.grads((a, b) => tf.sum(bernoulliKl(a as tf.Tensor, b as tf.Tensor)))([tf.tensor1d(z), tf.tensor1d(y)]),
        ),
      );
      const inLogits = zy.map(([a, b]) => sigmoid(a) * sigmoid(-a) * (a - b));
      const inOld = zy.map(([a, b]) => sigmoid(b) - sigmoid(a));
      expect(maxError(slopes, [...inLogits, ...inOld], float32)).toBeLessThan(1);
    });
  });

  test('the gradient that it states is that of its definition', () => {
    forAll([fc.tuple(fc.integer({ min: -80, max: 80 }), fc.integer({ min: -80, max: 80 }))], ([a, b]) => {
      const [z, y] = [a / 8, b / 8];
      const [inLogits, inOld] = finiteDifference(
        (x) => KL(x[0] as number, x[1] as number),
        [z, y],
      ) as unknown as number[];
      expect(inLogits).toBeCloseTo(sigmoid(z) * sigmoid(-z) * (z - y), 6);
      expect(inOld).toBeCloseTo(sigmoid(y) - sigmoid(z), 6);
    });
  });

  test('keeps its digits where one update moved the policy a little', () => {
    const z = [0, 0.5, -3, 8, -12, 1, 1];
    const y = [1e-3, 0.5 + 2 ** -12, -3.05, 8.09, -12.02, 1.09, 1.11];
    const float = (x: number[]): number[] => x.map(Math.fround);
    const expected = float(z).map((a, i) => KL(a, float(y)[i] as number));
    // At |y − z| = 0.11 the direct form takes over: rounding errors of softplus, 1e-7, against v · 0.006.
    const value = read(() => bernoulliKl(tf.tensor1d(z), tf.tensor1d(y)));
    expect(maxError(value.subarray(0, 6), expected.slice(0, 6), { absolute: 0, relative: 2e-6 })).toBeLessThan(1);
    expect(maxError(value.subarray(6), expected.slice(6), { absolute: 0, relative: 2e-4 })).toBeLessThan(1);
  });

  test('is never negative, 0 for equal logits, blind to the names of the classes, and the KL of two logits', () => {
    forAll([pairs], (zy) => {
      const [z, y] = [zy.map(([a]) => a), zy.map(([, b]) => b)];
      const value = read(() => bernoulliKl(tf.tensor1d(z), tf.tensor1d(y)));
      expect(value.every((x) => x >= 0)).toBe(true);
      expect(read(() => bernoulliKl(tf.tensor1d(z), tf.tensor1d(z))).every((x) => x === 0)).toBe(true);
      const swapped = read(() => bernoulliKl(tf.neg(tf.tensor1d(z)), tf.neg(tf.tensor1d(y))));
      expect(maxError(swapped, value, float32)).toBeLessThan(1);
    });
    const two = read(() => fullKl(tf.tensor2d([[0, 1.5]]), tf.tensor2d([[0, -0.5]])));
    expect(
      maxError(
        read(() => bernoulliKl(tf.tensor1d([1.5]), tf.tensor1d([-0.5]))),
        two,
        float32,
      ),
    ).toBeLessThan(1);
  });

  test('says what is wrong', () => {
    tf.tidy(() => {
      expect(() => bernoulliKl(tf.zeros([2]), tf.zeros([3]))).toThrow(
        'bernoulliKl: oldLogits must be float32 [2] like logits; got float32 [3]',
      );
    });
  });
});
