import { createRng } from '@tsrl/core';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { linearLogProbs, linearTokenGradients, type TokenSlopes } from '../src/index.ts';

/** A loss of token t: c logProb² / 2 + d entropy, with columns (c, d). */
const slopes: TokenSlopes = (logProb, _entropy, columns, at, out) => {
  out[0] = columns[at]! * logProb;
  out[1] = columns[at + 1]!;
};

/** The same in float64, at hidden states followed by weights. */
function oracle(
  x: ArrayLike<number>,
  ids: Int32Array,
  columns: Float32Array,
  inner: number,
  size: number,
  tau: number,
) {
  const rows = ids.length;
  const statistics: number[] = [];
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    if (ids[row] === -100) {
      statistics.push(0, 0);
      continue;
    }
    const z = Array.from({ length: size }, (_, v) => {
      let dot = 0;
      for (let i = 0; i < inner; i++) dot += x[row * inner + i]! * x[rows * inner + v * inner + i]!;
      return dot / tau;
    });
    const top = Math.max(...z);
    const logSum = top + Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0));
    const logProb = z[ids[row]!]! - logSum;
    const entropy = -z.reduce((sum, v) => sum + Math.exp(v - logSum) * (v - logSum), 0);
    statistics.push(logProb, entropy);
    loss += (columns[2 * row]! * logProb ** 2) / 2 + columns[2 * row + 1]! * entropy;
  }
  return { loss, statistics };
}

test('log-probs, entropies and both gradients are those of float64', () => {
  const sizes = fc.record({
    rows: fc.integer({ min: 0, max: 6 }),
    inner: fc.integer({ min: 1, max: 5 }),
    size: fc.integer({ min: 1, max: 20 }),
    temperature: fc.constantFrom(0.5, 1, 2),
    seed: fc.nat(),
  });
  forAll(
    [sizes],
    ({ rows, inner, size, temperature, seed }) => {
      const rng = createRng(seed);
      const normal = (count: number): Float32Array => Float32Array.from({ length: count }, () => rng.normal());
      const [hidden, weight, columns] = [normal(rows * inner), normal(size * inner), normal(rows * 2)];
      const draw = (): number => (rng.uniform() < 0.2 ? -100 : Math.floor(rng.uniform() * size));
      const ids = Int32Array.from({ length: rows }, draw);
      const got = linearTokenGradients({ hidden, weight, ids, columns, slopes, inner, temperature, entropy: true });
      const at = (x: ArrayLike<number>) => oracle(x, ids, columns, inner, size, temperature);
      const x = [...hidden, ...weight];
      const forward = linearLogProbs({ hidden, weight, ids, inner, temperature });
      const logProbs = at(x).statistics.filter((_, i) => i % 2 === 0);
      expect(maxError(forward, logProbs, { ...float32, absolute: 5e-6 })).toBeLessThan(1);
      expect(maxError(got.statistics, at(x).statistics, { ...float32, absolute: 5e-6 })).toBeLessThan(1);
      const gradients = [...got.hiddenGradient, ...got.weightGradient];
      const expected = finiteDifference((y) => at(y).loss, x);
      expect(maxError(gradients, expected, { absolute: 2e-5, relative: 1e-4 })).toBeLessThan(1);
    },
    { runs: 60 },
  );
});

test('rows in several chunks give what each row alone gives', () => {
  // 48 MB of logits, in two chunks.
  const [rows, size] = [300, 40_000];
  const rng = createRng(1);
  const normal = (count: number): Float32Array => Float32Array.from({ length: count }, () => rng.normal());
  const [hidden, weight, columns] = [normal(rows * 2), normal(size * 2), normal(rows * 2)];
  const ids = Int32Array.from({ length: rows }, () => Math.floor(rng.uniform() * size));
  const whole = linearTokenGradients({ hidden, weight, ids, columns, slopes, inner: 2, entropy: true });
  expect(linearLogProbs({ hidden, weight, ids, inner: 2, entropy: true })).toEqual(whole.statistics);
  const sum = new Float64Array(weight.length);
  for (let row = 0; row < rows; row++) {
    const part = <T extends Float32Array | Int32Array>(array: T, width: number): T =>
      array.slice(row * width, (row + 1) * width) as T;
    const own = linearTokenGradients({
      ...{ weight, slopes, inner: 2, entropy: true },
      ...{ hidden: part(hidden, 2), ids: part(ids, 1), columns: part(columns, 2) },
    });
    expect(part(whole.statistics, 2)).toEqual(own.statistics);
    expect(maxError(part(whole.hiddenGradient, 2), own.hiddenGradient, float32)).toBeLessThan(1);
    own.weightGradient.forEach((value, i) => {
      (sum[i] as number) += value;
    });
  }
  expect(maxError(whole.weightGradient, sum, { absolute: 1e-5, relative: 2e-5 })).toBeLessThan(1);
});

test('refuses lengths that do not fit', () => {
  const good = {
    ...{ hidden: new Float32Array(4), weight: new Float32Array(6), ids: new Int32Array(2) },
    ...{ columns: new Float32Array(2), slopes, inner: 2 },
  };
  expect(() => linearTokenGradients({ ...good, inner: 0 })).toThrow(
    'linearTokenGradients: inner must be a positive integer; got 0',
  );
  expect(() => linearTokenGradients({ ...good, hidden: new Float32Array(5) })).toThrow(
    'linearTokenGradients: hidden must be 4 numbers; got 5 numbers',
  );
  expect(() => linearLogProbs({ ...good, hidden: new Float32Array(5) })).toThrow(
    'linearLogProbs: hidden must be 4 numbers; got 5 numbers',
  );
  expect(() => linearTokenGradients({ ...good, temperature: 0 })).toThrow(
    'linearTokenGradients: temperature must be positive and finite; got 0',
  );
});
