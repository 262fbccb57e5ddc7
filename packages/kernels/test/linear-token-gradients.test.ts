import { createRng } from '@tsrl/core';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createHeap } from '../src/arrays/heap.ts';
import { linearLogProbs, linearTokenGradients, type TokenSlopes } from '../src/index.ts';
import { instantiateLinearTokenGradients } from '../src/linear-token-gradients.ts';

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

test('rows in several chunks, and of all ids, give what each row alone gives', () => {
  // Three chunks of at most 104 rows, the last one no whole number of tiles.
  const [rows, size, inner] = [211, 22_001, 2];
  const rng = createRng(1);
  const normal = (count: number): Float32Array => Float32Array.from({ length: count }, () => rng.normal());
  const [hidden, weight, columns] = [normal(rows * inner), normal(size * inner), normal(rows * 2)];
  const strange = [-100, -1, size];
  const ids = Int32Array.from({ length: rows }, (_, row) =>
    row % 10 < strange.length ? strange[row % 10]! : Math.floor(rng.uniform() * size),
  );
  const whole = linearTokenGradients({ hidden, weight, ids, columns, slopes, inner, entropy: true });
  const forward = linearLogProbs({ hidden, weight, ids, inner, entropy: true });
  // An ignored row has log-prob 0 in both, and its entropy only where no gradient is asked for.
  expect(whole.statistics).toEqual(forward.map((value, i) => (i % 2 === 1 && ids[i >> 1] === -100 ? 0 : value)));
  const sum = new Float64Array(weight.length);
  for (let row = 0; row < rows; row++) {
    const part = <T extends Float32Array | Int32Array>(array: T, width: number): T =>
      array.slice(row * width, (row + 1) * width) as T;
    const own = linearTokenGradients({
      ...{ weight, slopes, inner, entropy: true },
      ...{ hidden: part(hidden, inner), ids: part(ids, 1), columns: part(columns, 2) },
    });
    expect(part(whole.statistics, 2)).toEqual(own.statistics);
    expect(maxError(part(whole.hiddenGradient, inner), own.hiddenGradient, float32)).toBeLessThan(1);
    if (ids[row] === -100) expect(own.weightGradient.every((value) => value === 0)).toBe(true);
    own.weightGradient.forEach((value, i) => {
      (sum[i] as number) += value;
    });
  }
  expect(maxError(whole.weightGradient, sum, { absolute: 1e-5, relative: 2e-5 })).toBeLessThan(1);
});

test('a row with NaN makes NaN of its results and of the gradient that all rows share, and of no other', () => {
  const [rows, size, inner] = [9, 21, 3];
  const rng = createRng(2);
  const normal = (count: number): Float32Array => Float32Array.from({ length: count }, () => rng.normal());
  const [hidden, weight, columns] = [normal(rows * inner), normal(size * inner), normal(rows * 2)];
  hidden[5 * inner + 1] = Number.NaN;
  const ids = new Int32Array(rows).fill(4);
  const got = linearTokenGradients({ hidden, weight, ids, columns, slopes, inner, entropy: true });
  const ofRow5 = (width: number) => (_: number, i: number) => Math.floor(i / width) === 5;
  expect([...got.statistics].map(Number.isNaN)).toEqual([...got.statistics].map(ofRow5(2)));
  expect([...got.hiddenGradient].map(Number.isNaN)).toEqual([...got.hiddenGradient].map(ofRow5(inner)));
  expect(got.weightGradient.every(Number.isNaN)).toBe(true);
});

describe('in a heap', () => {
  /** Runs it on zeros, whose logits are all alike, and tells how much of the heap was borrowed meanwhile. */
  function borrowed(rows: number, size: number, inner: number, slopesOf: TokenSlopes = slopes) {
    const heap = createHeap();
    const pieces = new Map<number, number>();
    const total = (): number => [...pieces.values()].reduce((sum, bytes) => sum + bytes, 0);
    let most = 0;
    const run = instantiateLinearTokenGradients({
      memory: heap.memory,
      allocate(bytes) {
        const address = heap.allocate(bytes);
        pieces.set(address, bytes);
        most = Math.max(most, total());
        return address;
      },
      free(address) {
        heap.free(address);
        pieces.delete(address);
      },
    });
    const kept = total();
    const numbers = (length: number): number => heap.allocate(4 * length);
    const statistics = numbers(2 * rows);
    most = 0;
    let thrown: unknown;
    try {
      run({
        ...{ hidden: numbers(rows * inner), weight: numbers(size * inner), ids: numbers(rows), columns: numbers(rows) },
        ...{ statistics, hiddenGradient: numbers(rows * inner), weightGradient: numbers(size * inner) },
        ...{ rows, size, inner, width: 1, temperature: 1, ignoreId: -100, entropy: true, slopes: slopesOf },
      });
    } catch (error) {
      thrown = error;
    }
    const logProbs = new Float32Array(heap.memory.buffer, statistics, 2 * rows).filter((_, i) => i % 2 === 0);
    return { thrown, logProbs, bytes: most - kept, left: total() - kept };
  }

  test('a pass at [1024, 512] [32000, 512] holds less than a quarter of what all logits and their gradient take', () => {
    // What is borrowed does not depend on the 512.
    const { bytes, left, logProbs } = borrowed(1024, 32_000, 1, (_lp, _h, _columns, _at, out) => {
      out[0] = 1;
    });
    expect([...new Set(logProbs)]).toEqual([Math.fround(-Math.log(32_000))]);
    const gradients = 4 * 512 * (1024 + 32_000);
    expect(gradients + bytes).toBeLessThan((gradients + 2 * 4 * 1024 * 32_000) / 4);
    // A chunk of 104 rows, and one row for the entropy.
    expect([bytes, left]).toEqual([4 * 105 * 32_000, 0]);
  });

  test('few rows borrow what they need, and a callback that throws leaves nothing behind', () => {
    expect(borrowed(3, 50, 2).bytes).toBe(4 * (3 + 1) * 50);
    const oops = new Error('oops');
    const { thrown, left } = borrowed(5, 50, 2, () => {
      throw oops;
    });
    expect([thrown, left]).toEqual([oops, 0]);
  });

  test('a callback during which the memory grows', () => {
    const heap = createHeap();
    const run = instantiateLinearTokenGradients(heap);
    const [rows, size, inner] = [6, 37, 3];
    const rng = createRng(3);
    const normal = (count: number): Float32Array => Float32Array.from({ length: count }, () => rng.normal());
    const [hidden, weight, columns] = [normal(rows * inner), normal(size * inner), normal(rows * 2)];
    const ids = Int32Array.from({ length: rows }, (_, row) => 6 * row);
    const lengths = [hidden.length, weight.length, columns.length, rows, 2 * rows, hidden.length, weight.length];
    const at = lengths.map((length) => heap.allocate(4 * length)) as [
      ...[number, number, number, number],
      ...[number, number, number],
    ];
    const numbers = (i: number) => new Float32Array(heap.memory.buffer, at[i]!, lengths[i]!);
    [hidden, weight, columns].forEach((values, i) => {
      numbers(i).set(values);
    });
    new Int32Array(heap.memory.buffer, at[3], rows).set(ids);
    const buffers = new Set<ArrayBufferLike>();
    run({
      ...{ hidden: at[0], weight: at[1], columns: at[2], ids: at[3] },
      ...{ statistics: at[4], hiddenGradient: at[5], weightGradient: at[6] },
      ...{ rows, size, inner, width: 2, temperature: 1, ignoreId: -100, entropy: true },
      slopes: (...token) => {
        slopes(...token);
        heap.free(heap.allocate(heap.memory.buffer.byteLength));
        buffers.add(heap.memory.buffer);
      },
    });
    expect(buffers.size).toBe(rows);
    const want = linearTokenGradients({ hidden, weight, columns, ids, slopes, inner, entropy: true });
    expect([numbers(4), numbers(5), numbers(6)]).toEqual([want.statistics, want.hiddenGradient, want.weightGradient]);
  });
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
