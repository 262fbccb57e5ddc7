import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { installFastKernels, uninstallFastKernels } from '@tsrl/kernels/tfjs';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import {
  entropy,
  logNormalizer,
  type PerToken,
  selectiveLogSoftmax,
  shiftForNextToken,
  sumSquaredProbs,
  tokenStatistics,
} from '../src/index.ts';

/** log softmax(x / τ) of every row of V numbers, from its definition. */
function logSoftmax(x: ArrayLike<number>, v: number, temperature = 1): number[] {
  const scaled = Array.from(x, (value) => value / temperature);
  return scaled.map((value, i) => {
    const row = scaled.slice(i - (i % v), i - (i % v) + v);
    const top = Math.max(...row);
    return value - top - Math.log(row.reduce((sum, y) => sum + Math.exp(y - top), 0));
  });
}

const rowsOf = (x: readonly number[], v: number): number[][] =>
  Array.from({ length: x.length / v }, (_, i) => x.slice(i * v, (i + 1) * v));

const oracles = {
  logNormalizer: (x: ArrayLike<number>, v: number, temperature: number): number[] => {
    const lp = logSoftmax(x, v, temperature);
    return rowsOf(lp, v).map((_, i) => (x[i * v] as number) / temperature - (lp[i * v] as number));
  },
  entropy: (x: ArrayLike<number>, v: number, temperature: number): number[] =>
    rowsOf(logSoftmax(x, v, temperature), v).map((row) => -row.reduce((sum, lp) => sum + Math.exp(lp) * lp, 0)),
  sumSquaredProbs: (x: ArrayLike<number>, v: number, temperature: number): number[] =>
    rowsOf(logSoftmax(x, v, temperature), v).map((row) => row.reduce((sum, lp) => sum + Math.exp(2 * lp), 0)),
};
const statistics = { logNormalizer, entropy, sumSquaredProbs };

/** Dyadic logits, so that float32 holds them exactly. */
const logit = fc.integer({ min: -256, max: 256 }).map((k) => k / 32);
const weight = fc.integer({ min: -32, max: 32 }).map((k) => k / 32);
const temperatures = fc.constantFrom(0.5, 1, 1, 2);
const cases = fc
  .record({ b: fc.integer({ min: 1, max: 3 }), t: fc.integer({ min: 1, max: 3 }), v: fc.integer({ min: 1, max: 6 }) })
  .chain(({ b, t, v }) =>
    fc.record({
      shape: fc.constant([b, t, v] as [number, number, number]),
      x: fc.array(logit, { minLength: b * t * v, maxLength: b * t * v }),
      ids: fc.array(fc.integer({ min: 0, max: v - 1 }), { minLength: b * t, maxLength: b * t }),
      weights: fc.array(weight, { minLength: b * t, maxLength: b * t }),
    }),
  );

const read = (compute: () => tf.Tensor): Float32Array => {
  const result = tf.tidy(compute);
  const data = Float32Array.from(result.dataSync());
  result.dispose();
  return data;
};
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, x, i) => sum + x * (b[i] as number), 0);

/** d Σ w f(x) / dx on the device. */
const gradient = (
  f: (x: tf.Tensor) => tf.Tensor,
  x: number[],
  shape: number[],
  weights: ArrayLike<number>,
): Float32Array =>
  read(() => {
    const w = tf.tensor1d(Float32Array.from(weights));
    return tf.grad((y) => tf.sum(tf.mul(tf.reshape(f(y), [-1]), w)))(tf.tensor(x, shape));
  });

describe.each(['by the kernels', 'composed'] as const)('%s', (way) => {
  beforeAll(() => {
    if (way === 'composed') uninstallFastKernels();
    const kernel = tf.getKernel('TsrlSelectiveLogSoftmax', tf.getBackend());
    expect(kernel === undefined).toBe(way === 'composed');
  });
  afterAll(() => {
    installFastKernels();
  });

  describe('selectiveLogSoftmax', () => {
    const choose = (lp: readonly number[], ids: readonly number[], v: number): number[] =>
      ids.map((id, i) => lp[i * v + id] as number);

    test('is the log-softmax at the ids, with its gradient', () => {
      forAll([cases, temperatures], ({ shape, x, ids, weights }, temperature) => {
        const v = shape[2];
        const f = (logits: tf.Tensor): tf.Tensor =>
          selectiveLogSoftmax(logits, tf.tensor(ids, shape.slice(0, 2), 'int32'), { temperature });
        const oracle = (y: ArrayLike<number>): number[] => choose(logSoftmax(y, v, temperature), ids, v);

        expect(
          maxError(
            read(() => f(tf.tensor(x, shape))),
            oracle(x),
            float32,
          ),
        ).toBeLessThan(1);
        const expected = finiteDifference((y) => dot(oracle(y), weights), x);
        expect(maxError(gradient(f, x, shape, weights), expected, float32)).toBeLessThan(1);
      });
    });

    test('takes K ids per distribution, repeated ones too', () => {
      const x = [1, 2, 3, 0, -1, 0.5];
      const ids = [2, 0, 2, 1, 1, 1];
      const weights = [1, 2, 4, 8, 16, 32];
      const f = (logits: tf.Tensor): tf.Tensor => selectiveLogSoftmax(logits, tf.tensor2d(ids, [2, 3], 'int32'));
      const oracle = (y: ArrayLike<number>): number[] => {
        const lp = logSoftmax(y, 3);
        return ids.map((id, i) => lp[Math.floor(i / 3) * 3 + id] as number);
      };
      expect(
        maxError(
          read(() => f(tf.tensor2d(x, [2, 3]))),
          oracle(x),
          float32,
        ),
      ).toBeLessThan(1);
      const expected = finiteDifference((y) => dot(oracle(y), weights), x);
      expect(maxError(gradient(f, x, [2, 3], weights), expected, float32)).toBeLessThan(1);
    });

    test('probabilities of all ids add up to 1, shifting the logits changes nothing, and lp is never above 0', () => {
      forAll([cases, logit], ({ shape, x }, shift) => {
        const [b, t, v] = shape;
        const all = (logits: number[]): Float32Array =>
          read(() =>
            selectiveLogSoftmax(
              tf.tensor(logits, shape),
              tf.reshape(tf.tile(tf.range(0, v, 1, 'int32'), [b * t]), [b, t, v]),
            ),
          );
        const lp = all(x);
        for (const row of rowsOf([...lp], v)) {
          expect(row.reduce((sum, y) => sum + Math.exp(y), 0)).toBeCloseTo(1, 5);
          for (const y of row) expect(y).toBeLessThanOrEqual(0);
        }
        expect(maxError(all(x.map((y) => y + shift)), lp, float32)).toBeLessThan(1);
      });
    });

    test('a vocabulary of one is certain, and an infinite temperature uniform', () => {
      const certain = read(() => selectiveLogSoftmax(tf.tensor2d([[1e4], [-3]]), tf.tensor1d([0, 0], 'int32')));
      expect([...certain]).toEqual([0, 0]);
      const hot = { temperature: 1e9 };
      const uniform = read(() => selectiveLogSoftmax(tf.tensor2d([[1, 50, -50]]), tf.tensor1d([1], 'int32'), hot));
      expect(uniform[0]).toBeCloseTo(-Math.log(3), 6);
    });

    test('stays finite for logits up to 1e4, and keeps digits there', () => {
      const x = [1e4, 1e4 - 1, -1e4, 1e4];
      const f = (logits: tf.Tensor): tf.Tensor => selectiveLogSoftmax(logits, tf.tensor1d([1, 0], 'int32'));
      const value = read(() => f(tf.tensor2d(x, [2, 2])));
      expect(maxError(value, [-1 - Math.log1p(Math.exp(-1)), -2e4], float32)).toBeLessThan(1);
      const p = 1 / (1 + Math.exp(1));
      expect(maxError(gradient(f, x, [2, 2], [1, 1]), [p - 1, 1 - p, 1, -1], float32)).toBeLessThan(1);
    });

    test('allows −∞ logits: the rest is as if they were not there, and choosing one gives −∞', () => {
      const f = (logits: tf.Tensor): tf.Tensor => selectiveLogSoftmax(logits, tf.tensor1d([2, 0], 'int32'));
      const x = [1, -Infinity, 2, -Infinity, 0, 0];
      const chosen = 2 - Math.log(Math.exp(1) + Math.exp(2));
      expect(
        maxError(
          read(() => f(tf.tensor2d(x, [2, 3]))),
          [chosen, -Infinity],
          float32,
        ),
      ).toBeLessThan(1);
      const p = Math.exp(chosen);
      expect(maxError(gradient(f, x, [2, 3], [1, 1]), [p - 1, 0, 1 - p, 1, -0.5, -0.5], float32)).toBeLessThan(1);
    });

    test('an ignored id gives 0 and an id outside the vocabulary NaN, both without gradient and alone', () => {
      const ids = [-100, 1, 3, -1];
      const x = [0, 1, 2, 0, 0, 0, 1, 1, 1, 2, 1, 0];
      const f = (logits: tf.Tensor): tf.Tensor => selectiveLogSoftmax(logits, tf.tensor1d(ids, 'int32'));
      const value = read(() => f(tf.tensor2d(x, [4, 3])));
      expect(maxError(value, [0, -Math.log(3), Number.NaN, Number.NaN], float32)).toBeLessThan(1);
      const slope = gradient(f, x, [4, 3], [1, 1, 1, 1]);
      expect(maxError(slope, [0, 0, 0, -1 / 3, 2 / 3, -1 / 3, 0, 0, 0, 0, 0, 0], float32)).toBeLessThan(1);

      const own = { ignoreId: 1 };
      const ignored = read(() => selectiveLogSoftmax(tf.tensor2d([[0, 1, 2]]), tf.tensor1d([1], 'int32'), own));
      expect([...ignored]).toEqual([0]);
    });

    test('keeps nothing but its result, which has the type of the ids', () => {
      const logits = tf.zeros<tf.Rank.R3>([2, 3, 5]);
      const ids = tf.zeros<tf.Rank.R2>([2, 3], 'int32');
      const before = tf.memory().numTensors;
      const logProbs = selectiveLogSoftmax(logits, ids);
      expectTypeOf(logProbs).toEqualTypeOf<tf.Tensor2D>();
      expect(tf.memory().numTensors).toBe(before + 1);
      expect([logProbs.shape, logProbs.dtype]).toEqual([[2, 3], 'float32']);
      tf.dispose([logits, ids, logProbs]);
    });

    test('says what is wrong', () => {
      tf.tidy(() => {
        const logits = tf.zeros([2, 3, 5]);
        const ids = tf.zeros([2, 3], 'int32');
        expect(() => selectiveLogSoftmax(logits, tf.zeros([2, 3]))).toThrow(
          'selectiveLogSoftmax: ids must be int32 [2, 3] or [2, 3, K]; got float32 [2, 3]',
        );
        expect(() => selectiveLogSoftmax(logits, tf.zeros([2, 4], 'int32'))).toThrow('got int32 [2, 4]');
        expect(() => selectiveLogSoftmax(tf.zeros([2, 3, 5], 'int32'), ids)).toThrow(
          'selectiveLogSoftmax: logits must be float32 [..., V] with V of at least 1; got int32 [2, 3, 5]',
        );
        for (const temperature of [0, -1, Number.NaN, Infinity]) {
          expect(() => selectiveLogSoftmax(logits, ids, { temperature })).toThrow(
            `selectiveLogSoftmax: temperature must be positive and finite; got ${temperature}`,
          );
        }
      });
    });
  });

  describe.each(['logNormalizer', 'entropy', 'sumSquaredProbs'] as const)('%s', (name) => {
    const oracle = oracles[name];

    test('agrees with its definition, and so does its gradient', () => {
      forAll([cases, temperatures], ({ shape, x, weights }, temperature) => {
        const v = shape[2];
        const f = (logits: tf.Tensor): tf.Tensor => statistics[name](logits, { temperature });
        expect(
          maxError(
            read(() => f(tf.tensor(x, shape))),
            oracle(x, v, temperature),
            float32,
          ),
        ).toBeLessThan(1);
        const expected = finiteDifference((y) => dot(oracle(y, v, temperature), weights), x);
        expect(maxError(gradient(f, x, shape, weights), expected, float32)).toBeLessThan(1);
      });
    });

    test('−∞ logits are as if they were not there; a row of nothing else has gradient 0', () => {
      const f = (logits: tf.Tensor): tf.Tensor => statistics[name](logits);
      const x = [1, -Infinity, 2, -Infinity, -Infinity, -Infinity];
      const value = read(() => f(tf.tensor2d([x.slice(0, 3)])));
      expect(maxError(value, oracle([1, 2], 2, 1), float32)).toBeLessThan(1);
      const slope = gradient(f, x, [2, 3], [1, 1]);
      const [a, b] = finiteDifference((y) => dot(oracle(y, 2, 1), [1]), [1, 2]) as unknown as [number, number];
      expect(maxError(slope, [a, 0, b, 0, 0, 0], float32)).toBeLessThan(1);
    });

    test('keeps nothing but its result, without the last dimension', () => {
      const logits = tf.zeros<tf.Rank.R3>([2, 3, 5]);
      const before = tf.memory().numTensors;
      const result = statistics[name](logits);
      expectTypeOf(result).toEqualTypeOf<tf.Tensor2D>();
      expect(tf.memory().numTensors).toBe(before + 1);
      expect(result.shape).toEqual([2, 3]);
      tf.dispose([logits, result]);
    });

    test('says what is wrong', () => {
      tf.tidy(() => {
        expect(() => statistics[name](tf.zeros([2, 0]))).toThrow(
          `${name}: logits must be float32 [..., V] with V of at least 1; got float32 [2, 0]`,
        );
        expect(() => statistics[name](tf.zeros([2, 2]), { temperature: 0 })).toThrow(
          `${name}: temperature must be positive and finite; got 0`,
        );
      });
    });
  });

  test('logNormalizer of nothing but −∞ is −∞', () => {
    expect([...read(() => logNormalizer(tf.fill([1, 2], -Infinity)))]).toEqual([-Infinity]);
  });

  test('entropy and Σ p² of a uniform and of a certain distribution', () => {
    const x = [0, 0, 0, 0, 500, 0, 0, 0];
    const rows = (): tf.Tensor2D => tf.tensor2d(x, [2, 4]);
    expect(
      maxError(
        read(() => entropy(rows())),
        [Math.log(4), 0],
        float32,
      ),
    ).toBeLessThan(1);
    expect(
      maxError(
        read(() => sumSquaredProbs(rows())),
        [0.25, 1],
        float32,
      ),
    ).toBeLessThan(1);
  });

  test('entropy lies between 0 and log V, and above −log Σ p²', () => {
    forAll([cases], ({ shape, x }) => {
      const h = read(() => entropy(tf.tensor(x, shape)));
      const agree = read(() => sumSquaredProbs(tf.tensor(x, shape)));
      h.forEach((value, i) => {
        expect(value).toBeGreaterThanOrEqual(-1e-6);
        expect(value).toBeLessThanOrEqual(Math.log(shape[2]) + 1e-6);
        expect(value).toBeGreaterThanOrEqual(-Math.log(agree[i] as number) - 2e-6);
      });
    });
  });

  test('no rows at all', () => {
    tf.tidy(() => {
      const logits = tf.zeros<tf.Rank.R3>([2, 0, 5]);
      const ids = tf.zeros<tf.Rank.R2>([2, 0], 'int32');
      for (const f of [(x: tf.Tensor3D) => selectiveLogSoftmax(x, ids), logNormalizer, entropy]) {
        expect(f(logits).shape).toEqual([2, 0]);
        expect(tf.grad((x) => tf.sum(f(x as tf.Tensor3D)))(logits).shape).toEqual([2, 0, 5]);
      }
      expect(selectiveLogSoftmax(logits, tf.zeros<tf.Rank.R3>([2, 0, 4], 'int32')).shape).toEqual([2, 0, 4]);
      const none = selectiveLogSoftmax(tf.zeros([2, 5]), tf.zeros<tf.Rank.R2>([2, 0], 'int32'));
      expect(none.shape).toEqual([2, 0]);
    });
  });

  test('a NaN makes its row NaN, and no other', () => {
    const x = [0, 1, NaN, 2, 0, 0];
    const ids = (): tf.Tensor1D => tf.tensor1d([0, 0], 'int32');
    const rows = (y: tf.Tensor): tf.Tensor2D => tf.reshape(y, [2, 3]);
    for (const f of [
      (y: tf.Tensor) => selectiveLogSoftmax(rows(y), ids()) as tf.Tensor,
      (y: tf.Tensor) => logNormalizer(rows(y)),
      (y: tf.Tensor) => entropy(rows(y)),
      (y: tf.Tensor) => tokenStatistics(rows(y), ids()).logProbs,
    ]) {
      expect([...read(() => f(tf.tensor1d(x)))].map(Number.isNaN)).toEqual([true, false]);
      const slopes = [...gradient(f, x, [6], [1, 1])].map(Number.isNaN);
      expect(slopes).toEqual([true, true, true, false, false, false]);
    }
  });

  describe('tokenStatistics', () => {
    test('is selectiveLogSoftmax and entropy, with their gradients', () => {
      forAll([cases, temperatures, fc.boolean()], ({ shape, x, ids, weights }, temperature, strange) => {
        const [b, t] = shape;
        const asked = strange ? [-7, -100, shape[2], ...ids].slice(0, ids.length) : ids;
        const chosen = (): tf.Tensor2D => tf.tensor2d(asked, [b, t], 'int32');
        const part = (name: 'logProbs' | 'entropy') => (y: tf.Tensor) =>
          tokenStatistics(y as tf.Tensor3D, chosen(), { temperature })[name] as tf.Tensor;
        const apart = {
          logProbs: (y: tf.Tensor): tf.Tensor => selectiveLogSoftmax(y, chosen(), { temperature }),
          entropy: (y: tf.Tensor): tf.Tensor => entropy(y, { temperature }),
        };
        for (const name of ['logProbs', 'entropy'] as const) {
          const [one, two] = [part(name), apart[name]].map((f) => read(() => f(tf.tensor(x, shape))));
          expect(maxError(one as Float32Array, two as Float32Array, float32)).toBeLessThan(1);
          const [slope, other] = [part(name), apart[name]].map((f) => gradient(f, x, shape, weights));
          expect(maxError(slope as Float32Array, other as Float32Array, float32)).toBeLessThan(1);
        }
        if (strange) return;
        const both = (y: tf.Tensor): tf.Tensor => {
          const { logProbs, entropy } = tokenStatistics(y as tf.Tensor3D, chosen(), { temperature });
          return tf.add(logProbs, tf.mul(entropy, 0.5));
        };
        const v = shape[2];
        const oracle = (y: ArrayLike<number>): number[] => {
          const h = oracles.entropy(y, v, temperature);
          const lp = logSoftmax(y, v, temperature);
          return ids.map((id, i) => (lp[i * v + id] as number) + 0.5 * (h[i] as number));
        };
        const expected = finiteDifference((y) => dot(oracle(y), weights), x);
        expect(maxError(gradient(both, x, shape, weights), expected, float32)).toBeLessThan(1);
      });
    });

    test('keeps nothing but its results, which have the type of the ids', () => {
      const [logits, ids] = [tf.zeros<tf.Rank.R3>([2, 3, 5]), tf.zeros<tf.Rank.R2>([2, 3], 'int32')];
      const before = tf.memory().numTensors;
      const result = tokenStatistics(logits, ids, { ignoreId: 0 });
      expectTypeOf(result.logProbs).toEqualTypeOf<tf.Tensor2D>();
      expectTypeOf(result.entropy).toEqualTypeOf<tf.Tensor2D>();
      expect(tf.memory().numTensors).toBe(before + 2);
      expect([...result.logProbs.dataSync()]).toEqual(Array(6).fill(0));
      expect(maxError(result.entropy.dataSync(), Array(6).fill(Math.log(5)), float32)).toBeLessThan(1);
      tf.dispose([logits, ids, result.logProbs, result.entropy]);
    });

    test('says what is wrong', () => {
      tf.tidy(() => {
        const logits = tf.zeros<tf.Rank.R3>([2, 3, 5]);
        const ids = tf.zeros<tf.Rank.R2>([2, 3], 'int32');
        expect(() => tokenStatistics(logits, tf.zeros<tf.Rank.R2>([2, 3]))).toThrow(
          'tokenStatistics: ids must be int32 [2, 3]; got float32 [2, 3]',
        );
        expect(() =>
          tokenStatistics(logits, tf.zeros<tf.Rank.R3>([2, 3, 1], 'int32') as unknown as tf.Tensor2D),
        ).toThrow('tokenStatistics: ids must be int32 [2, 3]; got int32 [2, 3, 1]');
        expect(() => tokenStatistics(logits, ids, { temperature: -1 })).toThrow(
          'tokenStatistics: temperature must be positive and finite; got -1',
        );
      });
    });
  });

  test('survives a memory that grows between the forward pass and the gradient', () => {
    const x = [1, 2, 3, 0, -1, 0.5];
    const heap = (): { readonly buffer: ArrayBufferLike } =>
      (tf.backend() as unknown as { wasm?: { readonly HEAPU8: Uint8Array } }).wasm?.HEAPU8 ?? new Uint8Array();
    let grown = tf.getBackend() !== 'wasm';
    const f = (y: tf.Tensor): tf.Tensor => {
      const { logProbs, entropy } = tokenStatistics(tf.reshape(y, [2, 3]), tf.tensor1d([2, 0], 'int32'));
      const before = heap().buffer;
      if (before.byteLength > 0) tf.zeros([before.byteLength / 4]);
      grown ||= heap().buffer !== before;
      return tf.sub(logProbs, entropy);
    };
    const oracle = (y: ArrayLike<number>): number[] => {
      const [lp, h] = [logSoftmax(y, 3), oracles.entropy(y, 3, 1)];
      return [(lp[2] as number) - (h[0] as number), (lp[3] as number) - (h[1] as number)];
    };
    const expected = finiteDifference((y) => dot(oracle(y), [1, 2]), x);
    expect(maxError(gradient(f, x, [6], [1, 2]), expected, float32)).toBeLessThan(1);
    expect(grown).toBe(true);
  });
});

/**
 * What tfjs loses without the kernels: wasm adds the V numbers of a row one after another, and each addition rounds the
 * sum so far, V 2⁻²⁴ of Σ p = 1 at most. By that much log p moves, by (1 + 2 h) times that the entropy h, and with both
 * the gradient Σ w dp/dx, whose terms are p, p log p and p h.
 */
function lossOfSums(x: readonly number[], v: number, temperature: number, weights: readonly number[]) {
  const lost = { value: 0, gradient: 0 };
  const rounding = v * 2 ** -24;
  const asked = (weights.length * v) / x.length;
  for (const [r, row] of rowsOf(x, v).entries()) {
    const scaled = row.map((value) => value / temperature);
    const top = Math.max(...scaled);
    if (top === -Infinity) continue;
    const log = top + Math.log(scaled.reduce((sum, z) => sum + Math.exp(z - top), 0));
    const terms = scaled.filter(Number.isFinite).map((z) => ({ p: Math.exp(z - log), logP: z - log }));
    const h = -terms.reduce((sum, { p, logP }) => sum + p * logP, 0);
    const w = weights.slice(r * asked, (r + 1) * asked).reduce((sum, y) => sum + Math.abs(y), 0) / temperature;
    lost.value = Math.max(lost.value, rounding * (1 + 2 * h));
    const slopes = terms.map(({ p, logP }) => p * (2 + Math.abs(logP + h) + 2 * h));
    lost.gradient = Math.max(lost.gradient, rounding * w * Math.max(...slopes));
  }
  return lost;
}

describe('with and without the kernels', () => {
  const sizes = fc.record({
    rows: fc.integer({ min: 1, max: 3 }),
    size: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1023, max: 1026 })),
    chosen: fc.integer({ min: 1, max: 3 }), // over none, the sum of plain tfjs-wasm is not 0
    temperature: temperatures,
    ignoreId: fc.constantFrom(-100, 1),
    masked: fc.constantFrom(0, 0.5, 1),
    seed: fc.nat(),
  });

  test('numbers and gradients are the same, for masks and any ids', () => {
    forAll(
      [sizes],
      ({ rows, size, chosen, temperature, ignoreId, masked, seed }) => {
        const rng = createRng(seed);
        const x = Array.from({ length: rows * size }, () => (rng.uniform() < masked ? -Infinity : rng.normal() * 3));
        const ids = Array.from({ length: rows * chosen }, () => Math.floor(rng.uniform() * (size + 3)) - 1);
        const weights = Array.from({ length: rows * (chosen + 2) }, () => rng.normal());
        const f = (y: tf.Tensor): tf.Tensor => {
          const logits = tf.reshape(y, [rows, size]);
          const logProbs = selectiveLogSoftmax(logits, tf.tensor2d(ids, [rows, chosen], 'int32'), {
            temperature,
            ignoreId,
          });
          // Ids outside the vocabulary give NaN and −∞ logits give −∞: that both agree on it is seen in the values.
          const known = tf.where(tf.isFinite(logProbs), logProbs, tf.zerosLike(logProbs));
          const rest = [logNormalizer(logits, { temperature }), entropy(logits, { temperature })].map((s) =>
            tf.where(tf.isFinite(s), s, tf.zerosLike(s)),
          );
          return tf.concat([known, ...rest.map((s) => tf.expandDims(s, 1))], 1);
        };
        const values = (): Float32Array[] =>
          [
            () =>
              selectiveLogSoftmax(tf.tensor2d(x, [rows, size]), tf.tensor2d(ids, [rows, chosen], 'int32'), {
                temperature,
                ignoreId,
              }),
            () => logNormalizer(tf.tensor2d(x, [rows, size]), { temperature }),
            () => entropy(tf.tensor2d(x, [rows, size]), { temperature }),
          ].map(read);
        const numbers = (): { values: Float32Array[]; slopes: Float32Array } => ({
          values: values(),
          slopes: gradient(f, x, [rows, size], weights),
        });
        const fast = numbers();
        uninstallFastKernels();
        let composed = fast;
        try {
          composed = numbers();
        } finally {
          installFastKernels();
        }
        const lost = lossOfSums(x, size, temperature, weights);
        const within = (room: number) => ({ ...float32, absolute: float32.absolute + room });
        fast.values.forEach((y, i) => {
          expect(maxError(y, composed.values[i] as Float32Array, within(lost.value))).toBeLessThan(1);
        });
        expect(maxError(fast.slopes, composed.slopes, within(lost.gradient))).toBeLessThan(1);
      },
      {
        runs: 60,
        // The entropy is 0.04, of a sum that tfjs-wasm has 2.5e-6 too low.
        examples: [
          [{ rows: 1, size: 1023, chosen: 1, temperature: 0.5, ignoreId: -100, masked: 0, seed: 783_980_487 }],
        ],
      },
    );
  });
});

describe('shiftForNextToken', () => {
  test('logits at t − 1 meet the token and the mask at t', () => {
    const batch = {
      ids: tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3], 'int32'),
      logits: tf.tensor3d(
        Array.from({ length: 12 }, (_, i) => i),
        [2, 3, 2],
      ),
      mask: tf.tensor2d([0, 1, 1, 0, 0, 1], [2, 3]),
    };
    const { ids, logits, mask } = shiftForNextToken(batch);
    expect([...ids.dataSync()]).toEqual([2, 3, 5, 6]);
    expect([...logits.dataSync()]).toEqual([0, 1, 2, 3, 6, 7, 8, 9]);
    expect([...mask.dataSync()]).toEqual([1, 1, 0, 1]);
    expect([ids.shape, logits.shape, mask.shape]).toEqual([
      [2, 2],
      [2, 2, 2],
      [2, 2],
    ]);
    tf.dispose([batch, { ids, logits, mask }]);
  });

  test('says what is wrong', () => {
    tf.tidy(() => {
      const ids = tf.zeros<tf.Rank.R2>([2, 3], 'int32');
      const logits = tf.zeros<tf.Rank.R3>([2, 3, 5]);
      const mask: PerToken = tf.zeros([2, 3]);
      expect(() => shiftForNextToken({ ids: tf.zeros([2, 3]), logits, mask })).toThrow(
        'shiftForNextToken: ids must be int32 [B, S]; got float32 [2, 3]',
      );
      expect(() => shiftForNextToken({ ids: tf.zeros([2, 0], 'int32'), logits, mask })).toThrow(
        'shiftForNextToken: ids must be int32 [B, S], S at least 1; got [2, 0]',
      );
      expect(() => shiftForNextToken({ ids, logits: tf.zeros([2, 4, 5]), mask })).toThrow(
        'shiftForNextToken: logits must be float32 [2, 3, V]; got float32 [2, 4, 5]',
      );
      expect(() => shiftForNextToken({ ids, logits, mask: tf.zeros([3, 3]) })).toThrow(
        'shiftForNextToken: mask must be float32 [2, 3]; got float32 [3, 3]',
      );
    });
  });
});
