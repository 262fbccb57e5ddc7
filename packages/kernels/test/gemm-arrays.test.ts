import { createRng } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { matMul } from '../src/index.ts';

const cases = fc.record({
  batch: fc.integer({ min: 0, max: 3 }),
  m: fc.integer({ min: 0, max: 9 }),
  k: fc.integer({ min: 0, max: 9 }),
  n: fc.integer({ min: 0, max: 9 }),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  oneA: fc.boolean(),
  oneB: fc.boolean(),
  withBias: fc.boolean(),
  withSum: fc.boolean(),
});

test('batches, shared matrices, transpositions, bias and sums are those of plain loops', () => {
  forAll([cases, fc.nat()], (c, seed) => {
    const { batch, m, k, n, transposeA, transposeB } = c;
    const rng = createRng(seed);
    const draw = (length: number): Float32Array => Float32Array.from({ length }, () => rng.normal());
    const a = draw((c.oneA ? 1 : batch) * m * k);
    const b = draw((c.oneB ? 1 : batch) * k * n);
    const bias = c.withBias ? draw(n) : undefined;
    const addTo = c.withSum ? draw(batch * m * n) : undefined;
    const expected: number[] = [];
    for (let s = 0; s < batch; s++) {
      const [aAt, bAt] = [c.oneA ? 0 : s * m * k, c.oneB ? 0 : s * k * n];
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let sum = (bias?.[j] ?? 0) + (addTo?.[expected.length] ?? 0);
          for (let l = 0; l < k; l++) {
            sum += a[aAt + (transposeA ? l * m + i : i * k + l)]! * b[bAt + (transposeB ? j * k + l : l * n + j)]!;
          }
          expected.push(sum);
        }
      }
    }
    const before = addTo?.slice();
    const got = matMul({
      a,
      b,
      batch,
      m,
      k,
      n,
      transposeA,
      transposeB,
      ...(bias && { bias }),
      ...(addTo && { addTo }),
    });
    expect(maxError(got, expected, { absolute: 1e-5, relative: 1e-6 })).toBeLessThanOrEqual(1);
    expect(addTo).toEqual(before);
  });
});

test('an activation comes after the sum', () => {
  const one = Float32Array.of(1);
  const got = matMul({ a: one, b: one, m: 1, k: 1, n: 1, addTo: Float32Array.of(-3), activation: 'relu' });
  expect([...got]).toEqual([0]);
});

test('refuses lengths that do not fit', () => {
  const six = new Float32Array(6);
  expect(() => matMul({ a: six, b: six, m: 2, k: 2, n: 3 })).toThrow('matMul: a must be 4 numbers; got 6 numbers');
  expect(() => matMul({ a: six, b: six, batch: 3, m: 2, k: 1, n: 3 })).toThrow(
    'matMul: b must be 3 or 9 numbers; got 6 numbers',
  );
  expect(() => matMul({ a: six, b: six, m: 2, k: 3, n: 2, addTo: six })).toThrow(
    'matMul: addTo must be 4 numbers; got 6 numbers',
  );
  expect(() => matMul({ a: six, b: six, batch: -1, m: 2, k: 3, n: 2 })).toThrow('matMul: batch');
});
