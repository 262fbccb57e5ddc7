import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { sharedReduction } from '../src/index.ts';
import { downloadInto, uploadFrom } from '../src/tfjs/index.ts';

const counts = fc.oneof(fc.integer({ min: 0, max: 70 }), fc.constantFrom(4095, 4096, 4097, 4111, 8192, 12300));

test('is the sum in the order of the parts, bit for bit, and touches nothing else', () =>
  forAll(
    [fc.integer({ min: 1, max: 6 }), counts, fc.integer({ min: 0, max: 5 }), fc.boolean(), fc.integer()],
    (parts, count, gap, inPlace, seed) => {
      const rng = createRng(seed);
      const width = count + gap;
      const { memory, sum } = sharedReduction(4 * (parts + 1) * width);
      const numbers = new Float32Array(memory.buffer, 0, (parts + 1) * width);
      // Sizes so different that another order would round to another sum.
      numbers.forEach((_, i) => {
        numbers[i] = rng.normal() * 10 ** Math.floor(6 * rng.uniform());
      });
      if (count > 2) numbers[width] = [Number.NaN, Number.POSITIVE_INFINITY, 1e38][parts % 3]!;
      const expected = numbers.slice();
      const at = inPlace ? width : 0;
      for (let i = 0; i < count; i++) {
        let total = numbers[width + i]!;
        for (let part = 1; part < parts; part++) total = Math.fround(total + numbers[(1 + part) * width + i]!);
        expected[at + i] = total;
      }
      sum({ out: 4 * at, first: 4 * width, stride: 4 * width, parts, count });
      expect(numbers.slice()).toEqual(expected);
    },
    { runs: 60 },
  ));

test('a memory is shared, begins with zeros, and is as large as asked for', () => {
  for (const bytes of [0, 1, 65536, 65537]) {
    const { buffer } = sharedReduction(bytes).memory;
    expect(buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(buffer.byteLength).toBe(65536 * Math.max(1, Math.ceil(bytes / 65536)));
    expect(new Uint8Array(buffer).every((byte) => byte === 0)).toBe(true);
  }
});

test('what cannot be shared is said', () => {
  const sentence = /^sharedReduction: this environment cannot share 10000000000 bytes of SIMD WebAssembly; /;
  expect(() => sharedReduction(1e10)).toThrow(sentence);
  vi.stubGlobal('WebAssembly', undefined);
  try {
    expect(() => sharedReduction(4)).toThrow(/^sharedReduction: this environment cannot share 4 bytes/);
  } finally {
    vi.unstubAllGlobals();
  }
});

test('numbers go into shared memory and come back as a tensor that owes it nothing', async () => {
  const { memory } = sharedReduction(64);
  const [left, right] = [new Float32Array(memory.buffer, 4, 6), new Float32Array(memory.buffer, 32, 6)];
  const tensor = tf.tensor2d([1, 2, 3, 4, 5, 6.5], [2, 3]);
  await downloadInto(tensor, left);
  expect([...left]).toEqual([1, 2, 3, 4, 5, 6.5]);
  expect([...new Float32Array(memory.buffer, 0, 1), ...right]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  const again = uploadFrom(left, [3, 2]);
  left.fill(-1);
  expect(again.shape).toEqual([3, 2]);
  const doubled = tf.add(again, again);
  await downloadInto(doubled, right);
  expect([...right]).toEqual([2, 4, 6, 8, 10, 13]);
  await downloadInto(again, right);
  expect([...right]).toEqual([1, 2, 3, 4, 5, 6.5]);
  tf.dispose([tensor, again, doubled]);
});
