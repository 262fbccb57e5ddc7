import { createRng } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createHeap } from '../src/arrays/heap.ts';
import { type AdamWFactors, addRows, instantiateMoves, instantiateUpdates, matMul, transpose } from '../src/index.ts';

const heap = createHeap();
const updates = instantiateUpdates(heap);
const moves = instantiateMoves(heap);
const view = (at: number, length: number): Float32Array => new Float32Array(heap.memory.buffer, at, length);

/** What `use` gets are the addresses of these numbers; what stands before and behind them must stay. */
function withArrays(arrays: readonly ArrayLike<number>[], use: (...at: number[]) => void): Float32Array[] {
  const pieces = arrays.map(({ length }) => ({ start: heap.allocate(4 * (length + 8)), length }));
  pieces.forEach(({ start, length }, i) => {
    view(start, length + 8).fill(12345);
    view(start + 16, length).set(arrays[i]!);
  });
  use(...pieces.map(({ start }) => start + 16));
  const results = pieces.map(({ start, length }) => {
    const around = view(start, length + 8);
    expect([...around.subarray(0, 4), ...around.subarray(length + 4)]).toEqual(Array(8).fill(12345));
    return around.slice(4, length + 4);
  });
  for (const { start } of pieces) heap.free(start);
  return results;
}

let seed = 0;
const draw = (size: number, scale = 1): Float32Array => {
  const rng = createRng(seed++);
  return Float32Array.from({ length: size }, () => scale * rng.normal());
};

const size = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(63, 64, 65, 1000));
const fraction = fc.constantFrom(0, 0.5, 0.9, 0.999);

/** The definition in float64, number by number. */
function oracle(
  [m, v, grad, variable]: readonly Float32Array[],
  { beta1, beta2, scale, root, epsilon, shrink }: AdamWFactors,
) {
  const newM = Float64Array.from(m!, (x, i) => beta1 * x + (1 - beta1) * grad![i]!);
  const newV = Float64Array.from(v!, (x, i) => beta2 * x + (1 - beta2) * grad![i]! ** 2);
  const update = newM.map((x, i) => (scale * x) / (root * Math.sqrt(newV[i]!) + epsilon) + shrink * variable![i]!);
  return { newM, newV, update };
}

describe('adamW', () => {
  test('is its definition, for every size, into new numbers or over the old moments', () => {
    forAll(
      [size, fraction, fraction, fc.constantFrom(1e-8, 0.1), fc.constantFrom(0, -0.01), fc.boolean()],
      (n, beta1, beta2, epsilon, shrink, inPlace) => {
        const factors = { beta1, beta2, scale: -0.03, root: 1.7, epsilon, shrink };
        const inputs = [draw(n), draw(n).map((x) => x * x + 0.01), draw(n), draw(n)];
        const blank = new Float32Array(n).fill(NaN);
        const after = withArrays([...inputs, blank, blank, blank], (m, v, grad, variable, a, b, update) => {
          const [newM, newV] = inPlace ? [m, v] : [a, b];
          updates.adamW(
            { m, v, grad, variable, newM, newV, update } as Parameters<typeof updates.adamW>[0],
            n,
            factors,
          );
        });
        const want = oracle(inputs, factors);
        const [newM, newV] = inPlace ? [after[0]!, after[1]!] : [after[4]!, after[5]!];
        // Three roundings in a moment, of terms that may cancel, and about eight more in the update.
        const close = (got: Float32Array, exact: Float64Array, absolute: number): void =>
          expect(maxError(got, exact, { absolute, relative: 1e-6 })).toBeLessThan(1);
        close(newM, want.newM, 1e-6);
        close(newV, want.newV, 1e-30);
        close(after[6]!, want.update, 1e-6);
        expect([after[2], after[3]]).toEqual([inputs[2], inputs[3]]);
        if (!inPlace) expect([after[0], after[1]]).toEqual([inputs[0], inputs[1]]);
      },
      { runs: 300 },
    );
  });

  test('does not look at parameters that do not shrink; NaN and infinities of a gradient stay where they are', () => {
    const grad = Float32Array.of(1, NaN, Infinity, -2, 3, NaN);
    const zeros = new Float32Array(6);
    const factors = { beta1: 0.9, beta2: 0.99, scale: -0.1, root: 1, epsilon: 1e-8, shrink: 0 };
    const nan = new Float32Array(6).fill(NaN);
    const after = withArrays([zeros, zeros, grad, nan, zeros], (m, v, g, variable, update) =>
      updates.adamW(
        { m, v, grad: g, variable, newM: m, newV: v, update } as Parameters<typeof updates.adamW>[0],
        6,
        factors,
      ),
    );
    expect([...after[4]!].map(Number.isNaN)).toEqual([false, true, true, false, false, true]);
    expect([...after[1]!].map(Number.isFinite)).toEqual([true, false, false, true, true, false]);
  });
});

describe('sumOfSquares', () => {
  const sumOf = (x: ArrayLike<number>): number =>
    withArrays([x, [0]], (at, out) => updates.sumOfSquares({ x: at!, out: out! }, x.length))[1]![0]!;

  test('is the sum in float64, whatever its length', () => {
    for (const n of [0, 1, 2, 5, 63, 1023, 1024, 1025, 2048, 5000, 300_001]) {
      const x = draw(n, 3);
      const want = x.reduce((sum, value) => sum + value * value, 0);
      expect(Math.abs(sumOf(x) - want)).toBeLessThanOrEqual(4e-6 * want);
    }
    // Where a running sum in float32 comes to rest at 2²⁴.
    expect(sumOf(new Float32Array(2 ** 24 + 1024).fill(1))).toBe(2 ** 24 + 1024);
  });

  test('NaN, infinities and squares beyond float32', () => {
    for (const at of [0, 700, 1024, 1030]) {
      const of = (value: number): number => sumOf(draw(1031).map((x, i) => (i === at ? value : x)));
      expect([of(NaN), of(-Infinity), of(3e38)]).toEqual([NaN, Infinity, Infinity]);
    }
  });
});

describe('moves', () => {
  test('a permutation of more than four separate axes is refused, and nothing is written', () => {
    const shape = [2, 2, 2, 2, 2];
    const [x, y] = [heap.allocate(128), heap.allocate(128)];
    view(y, 32).fill(7);
    expect(moves.transpose({ x, y }, shape, [4, 3, 2, 1, 0])).toBe(false);
    expect([...view(y, 32)]).toEqual(Array(32).fill(7));
    // Axes of size 1 do not count, nor do those that stay together.
    expect(moves.transpose({ x, y }, [2, 1, 2, 2, 2, 2, 1], [4, 6, 5, 2, 3, 1, 0])).toBe(true);
    heap.free(x);
    heap.free(y);
  });

  test('go on after the memory has grown', () => {
    const before = heap.memory.buffer.byteLength;
    const n = before / 4 + 20_000;
    const [x, y] = [heap.allocate(4 * n), heap.allocate(4 * n)];
    expect(heap.memory.buffer.byteLength).toBeGreaterThan(before);
    const rows = Math.floor(n / 4);
    const value = (i: number): number => (i * 7) % 1009;
    view(x, 4 * rows).forEach((_, i, all) => {
      all[i] = value(i);
    });
    expect(moves.transpose({ x, y }, [rows, 4], [1, 0])).toBe(true);
    expect(view(y, 4 * rows).every((got, i) => got === value((i % rows) * 4 + Math.floor(i / rows)))).toBe(true);
    moves.sumRows({ x, out: y }, { rows, width: 4 });
    const sum = (i: number): number => value(4 * i) + value(4 * i + 1) + value(4 * i + 2) + value(4 * i + 3);
    expect(view(y, rows).every((got, i) => got === sum(i))).toBe(true);
    heap.free(x);
    heap.free(y);
  });

  test('rows of a segment are added in their order, those of no segment dropped', () => {
    forAll(
      [fc.array(fc.integer({ min: -2, max: 4 }), { maxLength: 20 }), size],
      (ids, width) => {
        const x = draw(ids.length * width);
        const want = new Float32Array(3 * width);
        ids.forEach((id, row) => {
          if (id < 0 || id > 2) return;
          for (let i = 0; i < width; i++) want[id * width + i]! += x[row * width + i]!;
        });
        const stale = new Float32Array(3 * width).fill(NaN);
        const [, , out] = withArrays([x, ids, stale], (at, idsAt, to) => {
          new Int32Array(heap.memory.buffer, idsAt!, ids.length).set(ids);
          const size = { rows: ids.length, width, segments: 3 };
          moves.sumSegments({ x: at!, ids: idsAt!, out: to! }, size);
        });
        expect(out).toEqual(want);
      },
      { runs: 200 },
    );
  });
});

describe('over typed arrays', () => {
  test('matMul is the product of the definition, with bias and activation', () => {
    forAll([size, size, size, fc.boolean(), fc.boolean(), fc.boolean()], (m, k, n, transposeA, transposeB, biased) => {
      if (m * k * n > 70_000) return;
      const [a, b, bias] = [draw(m * k), draw(k * n), draw(n)];
      const got = matMul({
        a,
        b,
        m,
        k,
        n,
        transposeA,
        transposeB,
        ...(biased ? { bias, activation: 'relu' as const } : {}),
      });
      const want = Float64Array.from({ length: m * n }, (_, e) => {
        const [i, j] = [Math.floor(e / n), e % n];
        let sum = biased ? bias[j]! : 0;
        for (let l = 0; l < k; l++)
          sum += a[transposeA ? l * m + i : i * k + l]! * b[transposeB ? j * k + l : l * n + j]!;
        return biased ? Math.max(sum, 0) : sum;
      });
      expect(maxError(got, want, { absolute: 1e-6 * Math.sqrt(k + 1), relative: 1e-5 })).toBeLessThan(1);
    });
  });

  test('transpose and addRows', () => {
    expect([...transpose(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3], [1, 0])]).toEqual([1, 4, 2, 5, 3, 6]);
    expect([...transpose(new Float32Array(0), [0, 3], [1, 0])]).toEqual([]);
    expect([...addRows(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), Int32Array.of(2, -1, 2, 3), 2, 3)]).toEqual([
      0, 0, 0, 0, 6, 8,
    ]);
    expect([...addRows(new Float32Array(0), new Int32Array(0), 2, 1)]).toEqual([0, 0]);
  });

  test('say what does not fit', () => {
    const x = new Float32Array(6);
    expect(() => matMul({ a: x, b: x, m: 2, k: 3, n: 3 })).toThrow('matMul: b must be 9 numbers; got 6');
    expect(() => matMul({ a: x, b: x, m: 2, k: 3, n: 2, bias: x })).toThrow('matMul: bias must be 2 numbers; got 6');
    expect(() => transpose(x, [2, 2], [1, 0])).toThrow('transpose: x must be [2,2]; got 6 numbers');
    expect(() => transpose(x, [2, 3], [1, 1])).toThrow(/^transpose: permutation must be one of the axes 0 to 1; got/);
    expect(() => transpose(new Float32Array(32), [2, 2, 2, 2, 2], [4, 3, 2, 1, 0])).toThrow(/at most four axes apart/);
    expect(() => addRows(x, new Int32Array(2), 2, 2)).toThrow('addRows: x must be [2, 2]; got 6 numbers');
  });
});
