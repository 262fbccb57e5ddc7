import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { installFastKernels, uninstallFastKernels } from '@tsrl/kernels/tfjs';
import { finiteDifference, float32, forAllAsync, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { linearLogProbs, linearTokenStatistics, selectiveLogSoftmax, tokenStatistics } from '../src/index.ts';

afterEach(() => {
  installFastKernels();
});

const sizes = fc.record({
  rows: fc.integer({ min: 1, max: 3 }),
  tokens: fc.integer({ min: 1, max: 6 }),
  inner: fc.integer({ min: 1, max: 5 }),
  size: fc.integer({ min: 1, max: 20 }),
  /** Tokens at a time. */
  chunk: fc.integer({ min: 1, max: 7 }),
  temperature: fc.constantFrom(0.5, 1, 2),
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
});

function draw(seed: number, rows: number, tokens: number, inner: number, size: number) {
  const rng = createRng(seed);
  const normal = (count: number): number[] => Array.from({ length: count }, () => Math.fround(rng.normal()));
  const h = normal(rows * tokens * inner);
  const w = normal(size * inner);
  const chosen = Array.from({ length: rows * tokens }, () => Math.floor(size * rng.uniform()));
  const slopes = normal(2 * rows * tokens);
  return {
    ...{ h, w, chosen, slopes },
    hidden: tf.tensor3d(h, [rows, tokens, inner]),
    weight: tf.tensor2d(w, [size, inner]),
    ids: tf.tensor2d(chosen, [rows, tokens], 'int32'),
  };
}

describe.each(['with fast kernels', 'composed'])('%s', (kind) => {
  const choose = (): void => {
    if (kind === 'composed') uninstallFastKernels();
  };

  test('chunks give what the whole gives, and its gradients', async () => {
    choose();
    await forAllAsync(
      [sizes],
      async ({ rows, tokens, inner, size, chunk, temperature, seed }) => {
        const { hidden, weight, ids, slopes } = draw(seed, rows, tokens, inner, size);
        const dy = tf.tensor2d(slopes.slice(0, rows * tokens), [rows, tokens]);
        const dh = tf.tensor2d(slopes.slice(rows * tokens), [rows, tokens]);
        const weigh = (logProbs: tf.Tensor, entropy: tf.Tensor): tf.Scalar =>
          tf.sum(tf.add(tf.mul(logProbs, dy), tf.mul(entropy, dh))) as tf.Scalar;
        const chunked = (h: tf.Tensor, w: tf.Tensor): tf.Scalar => {
          const options = { temperature, chunkBytes: 4 * size * chunk };
          const { logProbs, entropy } = linearTokenStatistics(h as tf.Tensor3D, w as tf.Tensor2D, ids, options);
          return weigh(logProbs, entropy);
        };
        const whole = (h: tf.Tensor, w: tf.Tensor): tf.Scalar => {
          const flat = tf.matMul(tf.reshape(h, [-1, inner]), w as tf.Tensor2D, false, true);
          const logits = tf.reshape(flat, [rows, tokens, size]) as tf.Tensor3D;
          const { logProbs, entropy } = tokenStatistics(logits, ids, { temperature });
          return weigh(logProbs, entropy);
        };
        const numbers = async (f: typeof whole): Promise<number[]> => {
          const all = tf.tidy(() => [f(hidden, weight), ...tf.grads(f)([hidden, weight])]);
          const values = await Promise.all(all.map(async (t) => Array.from(await t.data())));
          tf.dispose(all);
          return values.flat();
        };
        const expected = await numbers(whole);
        const near = { absolute: 1e-6 + 1e-5 * Math.max(...expected.map(Math.abs)), relative: 2e-5 };
        expect(maxError(await numbers(chunked), expected, near)).toBeLessThan(1);
        tf.dispose([hidden, weight, ids, dy, dh]);
      },
      { runs: 40 },
    );
  });

  test('linearLogProbs is its definition in float64, with its gradients', async () => {
    choose();
    await forAllAsync(
      [sizes],
      async ({ rows, tokens, inner, size, chunk, temperature, seed }) => {
        const { h, w, chosen, slopes, hidden, weight, ids } = draw(seed, rows, tokens, inner, size);
        const oracle = (x: ArrayLike<number>): number[] =>
          chosen.map((id, row) => {
            const z = Array.from({ length: size }, (_, v) => {
              let dot = 0;
              for (let i = 0; i < inner; i++) dot += x[row * inner + i]! * x[h.length + v * inner + i]!;
              return dot / temperature;
            });
            const top = Math.max(...z);
            return z[id]! - top - Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0));
          });
        const options = { temperature, chunkBytes: 4 * size * chunk };
        const f = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
          linearLogProbs(a as tf.Tensor3D, b as tf.Tensor2D, ids, options);
        const dy = tf.tensor2d(slopes.slice(0, rows * tokens), [rows, tokens]);
        const value = f(hidden, weight);
        expect(maxError(await value.data(), oracle([...h, ...w]), { ...float32, absolute: 5e-6 })).toBeLessThan(1);
        const gradients = tf.tidy(() => tf.grads(f)([hidden, weight], dy));
        const got = (await Promise.all(gradients.map(async (t) => Array.from(await t.data())))).flat();
        const expected = finiteDifference(
          (x) => oracle(x).reduce((sum, logProb, i) => sum + logProb * slopes[i]!, 0),
          [...h, ...w],
        );
        expect(maxError(got, expected, { absolute: 2e-5, relative: 1e-4 })).toBeLessThan(1);
        tf.dispose([hidden, weight, ids, dy, value, gradients] as tf.TensorContainer);
      },
      { runs: 25 },
    );
  });
});

test('below its bound it keeps the logits, above it none: memory grows by chunks', async () => {
  const { hidden, weight, ids } = draw(1, 2, 50, 2, 1000);
  const peakOf = async (chunkBytes: number): Promise<number> => {
    const f = (h: tf.Tensor, w: tf.Tensor): tf.Tensor =>
      linearLogProbs(h as tf.Tensor3D, w as tf.Tensor2D, ids, { chunkBytes });
    const { peakBytes } = await tf.profile(() => {
      tf.dispose(tf.grads(f)([hidden, weight]));
    });
    return peakBytes;
  };
  const start = tf.memory().numBytes;
  const [whole, chunked] = [(await peakOf(2 ** 26)) - start, (await peakOf(4 * 1000 * 10)) - start];
  expect(whole).toBeGreaterThan(2 * 4 * 100 * 1000);
  expect(chunked).toBeLessThan(whole / 4);
  tf.dispose([hidden, weight, ids]);
});

test('an ignored id has log-prob 0 and no gradient', async () => {
  const { hidden, weight, ids: all } = draw(2, 1, 3, 2, 5);
  all.dispose();
  const ids = tf.tensor2d([1, -100, 4], [1, 3], 'int32');
  const f = (h: tf.Tensor): tf.Tensor => linearLogProbs(h as tf.Tensor3D, weight, ids, { chunkBytes: 4 * 5 });
  const [value, gradient] = tf.tidy(() => [f(hidden), tf.grad(f)(hidden)]) as [tf.Tensor, tf.Tensor];
  const flat = tf.tidy(() => {
    const logits = tf.matMul(tf.reshape(hidden, [3, 2]) as tf.Tensor2D, weight, false, true);
    return selectiveLogSoftmax(logits, tf.tensor1d([1, 0, 4], 'int32'));
  });
  const [got, expected] = [await value.data(), await flat.data()];
  expect(got[1]).toBe(0);
  expect(maxError([got[0]!, got[2]!], [expected[0]!, expected[2]!], float32)).toBeLessThan(1);
  expect([...(await gradient.data())].slice(2, 4)).toEqual([0, 0]);
  tf.dispose([hidden, weight, ids, value, gradient, flat]);
});

test.each([-100, 1, -1])(
  'chunks pass over the id %i to ignore, and over ids outside, as the whole does',
  async (ignoreId) => {
    const { hidden, weight, ids: all } = draw(4, 1, 8, 3, 5);
    all.dispose();
    const ids = tf.tensor2d([ignoreId, 0, -1, 5, 2, -100, 4, 1], [1, 8], 'int32');
    // NaN is the log-prob of an id outside.
    const weights = tf.tensor2d([3, 1, 4, 1, 5, 9, 2, 6], [1, 8]);
    const f = (chunkBytes: number) => (h: tf.Tensor, w: tf.Tensor) => {
      const options = { ignoreId, chunkBytes };
      const { logProbs, entropy } = linearTokenStatistics(h as tf.Tensor3D, w as tf.Tensor2D, ids, options);
      return tf.sum(tf.mul(weights, tf.add(logProbs, tf.square(entropy)))) as tf.Scalar;
    };
    const numbers = async (chunkBytes: number): Promise<number[]> => {
      const gradients = tf.grads(f(chunkBytes))([hidden, weight]);
      const values = await Promise.all(gradients.map(async (t) => Array.from(await t.data())));
      tf.dispose(gradients);
      return values.flat();
    };
    const whole = await numbers(2 ** 26);
    expect(whole.every(Number.isFinite)).toBe(true);
    expect(maxError(await numbers(4 * 5 * 3), whole, { absolute: 1e-5, relative: 2e-5 })).toBeLessThan(1);
    tf.dispose([hidden, weight, ids, weights]);
  },
);

test('refuses shapes that do not fit', () => {
  const { hidden, weight, ids } = draw(3, 1, 3, 2, 5);
  const narrow = tf.zeros<tf.Rank.R2>([5, 3]);
  expect(() => linearLogProbs(hidden, narrow, ids)).toThrow(
    'linearLogProbs: weight must be float32 [V, 2]; got float32 [5, 3]',
  );
  const empty = tf.zeros<tf.Rank.R2>([0, 2]);
  expect(() => linearTokenStatistics(hidden, empty, ids)).toThrow(
    'linearTokenStatistics: weight must be float32 [V, H], V at least 1; got [0,2]',
  );
  tf.dispose([hidden, weight, ids, narrow, empty]);
});
