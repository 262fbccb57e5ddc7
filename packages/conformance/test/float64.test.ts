import * as tf from '@tensorflow/tfjs-core';
import { maskedVariance } from '@tsrl/tensor';
import { forAll, maxError } from '@tsrl/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { conditionOf } from '../src/condition.ts';
import { inFloat64, ulp32 } from '../src/float64.ts';
import type { Family, GoldenCase } from '../src/index.ts';

const backend = process.env['TSRL_BACKEND'] ?? 'wasm';

test('the same code computes in double precision, and everything is as before afterwards', async () => {
  const variance = async (): Promise<number> => {
    const result = tf.tidy(() => maskedVariance(tf.tensor1d([1 / 3, 2 / 7, 5]), tf.ones([3])));
    const [value] = await result.data();
    result.dispose();
    return value as number;
  };
  const xs = [1 / 3, 2 / 7, 5];
  const mean = xs.reduce((a, b) => a + b) / 3;
  const exact = xs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 2;
  const before = await variance();
  expect(Math.abs((await inFloat64(variance)) - exact)).toBeLessThan(1e-14);
  expect(Math.abs(before - exact)).toBeGreaterThan(1e-9);
  expect(await variance()).toBe(before);
  expect(tf.getBackend()).toBe(backend);
  expect(new Float32Array(1).BYTES_PER_ELEMENT).toBe(4);
});

test('what throws leaves everything as before too', async () => {
  await expect(inFloat64(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(tf.getBackend()).toBe(backend);
  expect(new Float32Array(1).BYTES_PER_ELEMENT).toBe(4);
});

test('ulp32 is the distance to the next float32', () => {
  const bits = new Int32Array(1);
  const next = (x: number): number => {
    const single = new Float32Array(bits.buffer);
    single[0] = x;
    bits[0] = (bits[0] as number) + 1;
    return single[0] as number;
  };
  forAll([fc.float({ min: Math.fround(1e-30), max: Math.fround(1e30) })], (x) => {
    expect(ulp32(x)).toBe(next(x) - x);
    expect(ulp32(-x)).toBe(ulp32(x));
  });
  expect(ulp32(0)).toBe(2 ** -149);
});

test('the condition of a sum of products is what calculus says', async () => {
  const a = [3, -5.5, 0.25];
  const b = [100, 7, -1e6];
  const family: Family = {
    file: 'dot',
    run: async ({ inputs }) => {
      const [x, y] = [inputs['a'], inputs['b']] as { data: Float64Array }[];
      const dot = x!.data.reduce((sum, value, i) => sum + value * (y!.data[i] as number), 0);
      const outputs = { dot: { shape: [], data: [dot] } };
      return { kind: 'computed', precision: 'float32', outputs, gradients: {} };
    },
  };
  const tensor = (data: readonly number[]) => ({ shape: [3], dtype: 'float64', data: Float64Array.from(data) });
  const golden = (dot: number): GoldenCase => ({
    name: 'dot',
    function: undefined,
    precision: 'float64',
    inputs: { a: tensor(a), b: tensor(b) },
    params: {},
    outputs: { dot },
    gradients: {},
    raises: undefined,
  });
  const expected = a.reduce((sum, x, i) => {
    const y = b[i] as number;
    return sum + Math.abs(y) * ulp32(x) + Math.abs(x) * ulp32(y);
  }, 0);
  const room = await conditionOf(golden(300 - 38.5 - 250_000), family);
  expect(maxError(room?.['dot'] ?? [], [expected], { absolute: 0, relative: 1e-6 })).toBeLessThanOrEqual(1);
  expect(await conditionOf(golden(300), family)).toBeUndefined();
});
