import * as tf from '@tensorflow/tfjs-core';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { highEntropyMask, maskedMax, maskedMin, responseMask } from '../src/index.ts';

interface Case {
  readonly shape: [number, number];
  readonly x: number[];
  readonly m: number[];
}

/** Sixteenths: float32 holds them, and they tie often. */
const value = fc.integer({ min: -40, max: 40 }).map((k) => k / 16);
const cases = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 6 })).chain(([b, t]) =>
  fc.record({
    shape: fc.constant<[number, number]>([b, t]),
    x: fc.array(value, { minLength: b * t, maxLength: b * t }),
    m: fc.array(fc.constantFrom(0, 1), { minLength: b * t, maxLength: b * t }),
  }),
);
const junk = fc.constantFrom(Number.NaN, Infinity, -Infinity, 1e30);
const dirty = (input: Case, with_: number): Case => ({
  ...input,
  x: input.x.map((y, i) => (input.m[i] === 0 ? with_ : y)),
});

const read = (compute: () => tf.Tensor): number[] => {
  const result = tf.tidy(compute);
  const data = Array.from(result.dataSync());
  result.dispose();
  return data;
};

type Masked = (x: tf.Tensor, mask: tf.Tensor) => tf.Tensor;
const run = (f: Masked, { shape, x, m }: Case): number[] => read(() => f(tf.tensor(x, shape), tf.tensor(m, shape)));
const slope = (f: Masked, { shape, x, m }: Case): number[] =>
  read(() => tf.grad((y: tf.Tensor) => tf.sum(f(y, tf.tensor(m, shape))))(tf.tensor(x, shape)));

describe('highEntropyMask', () => {
  /** ρ = k / 20. The place of the quantile is a fraction of whole numbers, so that it is exact where it is whole. */
  function oracle({ x, m }: Case, k: number): number[] {
    const sorted = x.filter((_, i) => m[i] === 1).sort((a, b) => a - b);
    const twentieths = (20 - k) * (sorted.length - 1);
    const below = Math.floor(twentieths / 20);
    const low = sorted[below] as number;
    const high = sorted[below + 1] ?? low;
    const threshold = low + ((twentieths % 20) / 20) * (high - low);
    return x.map((y, i) => (m[i] === 1 && y >= threshold ? 1 : 0));
  }

  test('is its definition: not below the linearly interpolated quantile', () => {
    forAll([cases, fc.integer({ min: 1, max: 20 })], (input, k) => {
      expect(run((x, m) => highEntropyMask(x, m, { fraction: k / 20 }), input)).toEqual(oracle(input, k));
    });
  });

  test('places the quantile exactly where it is whole', () => {
    // 101 different entropies: ρ (n − 1) is k for ρ = k / 100, and k + 1 tokens are kept.
    const x = Array.from({ length: 101 }, (_, i) => ((i * 37) % 101) / 16);
    const input: Case = { shape: [1, 101], x, m: x.map(() => 1) };
    for (let k = 1; k <= 100; k++) {
      const kept = run((y, m) => highEntropyMask(y, m, { fraction: k / 100 }), input);
      expect(kept.reduce((a, b) => a + b)).toBe(k + 1);
    }
  });

  test('keeps a fifth by default, everything with 1, and more with a larger fraction', () => {
    forAll([cases, fc.constantFrom(0.05, 0.3, 0.5), fc.constantFrom(0.6, 0.8, 1)], (input, less, more) => {
      const few = run((x, m) => highEntropyMask(x, m, { fraction: less }), input);
      const many = run((x, m) => highEntropyMask(x, m, { fraction: more }), input);
      expect(few.every((kept, i) => kept <= (many[i] as number))).toBe(true);
      expect(run((x, m) => highEntropyMask(x, m, { fraction: 1 }), input)).toEqual(input.m);
      expect(run((x, m) => highEntropyMask(x, m), input)).toEqual(oracle(input, 4));
    });
  });

  test('sees neither what is masked nor an increasing map', () => {
    forAll([cases, junk], (input, with_) => {
      const plain = run((x, m) => highEntropyMask(x, m), input);
      expect(run((x, m) => highEntropyMask(x, m), dirty(input, with_))).toEqual(plain);
      expect(run((x, m) => highEntropyMask(x, m), { ...input, x: input.x.map((y) => 4 * y + 1) })).toEqual(plain);
    });
  });

  test('shows a NaN that counts', () => {
    const input: Case = { shape: [1, 4], x: [1, Number.NaN, 2, 3], m: [1, 1, 0, 1] };
    expect(run((x, m) => highEntropyMask(x, m), input)).toEqual([Number.NaN, Number.NaN, 0, Number.NaN]);
  });

  test('stands in a loss without a gradient of its own', () => {
    const input: Case = { shape: [1, 5], x: [5, 1, 2, 4, 3], m: [1, 1, 1, 1, 1] };
    expect(slope((x, m) => tf.mul(x, highEntropyMask(x, m, { fraction: 0.25 })), input)).toEqual([1, 0, 0, 1, 0]);
  });

  test('takes nothing, and says what is wrong', () => {
    expect(run((x, m) => highEntropyMask(x, m), { shape: [0, 3], x: [], m: [] })).toEqual([]);
    tf.tidy(() => {
      const x = tf.zeros<tf.Rank.R2>([2, 3]);
      expectTypeOf(highEntropyMask(x, x)).toEqualTypeOf<tf.Tensor2D>();
      expect(() => highEntropyMask(x, tf.zeros([2, 4]))).toThrow(
        'highEntropyMask: mask must be float32 [2, 3] like entropies; got float32 [2, 4]',
      );
      for (const fraction of [0, -0.1, 1.01, Number.NaN]) {
        expect(() => highEntropyMask(x, x, { fraction })).toThrow(
          `highEntropyMask: fraction must be in (0, 1]; got ${fraction}`,
        );
      }
    });
  });
});

describe('responseMask', () => {
  const maskOf = (rows: readonly (readonly number[])[], eosIds: readonly number[]): number[] =>
    read(() =>
      responseMask(tf.tensor2d(rows.flat(), [rows.length, rows[0]?.length ?? 0], 'int32'), {
        eosIds,
      }),
    );
  const batches = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 7 })).chain(([b, t]) =>
    fc.array(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: t, maxLength: t }), {
      minLength: b,
      maxLength: b,
    }),
  );
  const ends = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 3 });

  test('is 1 up to and including the first end', () => {
    forAll([batches, ends], (rows, eosIds) => {
      const expected = rows.flatMap((row) => {
        let open = true;
        return row.map((id) => {
          const counts = open ? 1 : 0;
          if (eosIds.includes(id)) open = false;
          return counts;
        });
      });
      expect(maskOf(rows, eosIds)).toEqual(expected);
    });
  });

  test('does not see what stands behind the end, nor the order of the ids', () => {
    const row = [4, 3, 2, 5, 2];
    expect(maskOf([row], [2])).toEqual([1, 1, 1, 0, 0]);
    expect(maskOf([[4, 3, 2, 0, 0]], [2])).toEqual([1, 1, 1, 0, 0]);
    expect(maskOf([row], [5, 3])).toEqual([1, 1, 0, 0, 0]);
    expect(maskOf([row], [3, 5])).toEqual([1, 1, 0, 0, 0]);
    expect(maskOf([row], [9])).toEqual([1, 1, 1, 1, 1]);
    expect(maskOf([[2, 2]], [2])).toEqual([1, 0]);
  });

  test('is float32, and says what is wrong', () => {
    tf.tidy(() => {
      const ids = tf.zeros<tf.Rank.R2>([2, 3], 'int32');
      expect(responseMask(ids, { eosIds: [1] }).dtype).toBe('float32');
      expect(() => responseMask(tf.zeros([2, 3]), { eosIds: [1] })).toThrow(
        'responseMask: ids must be int32 [B, T]; got float32 [2, 3]',
      );
      expect(() => responseMask(ids, { eosIds: [] })).toThrow(
        'responseMask: eosIds must be whole numbers, at least one; got []',
      );
      expect(() => responseMask(ids, { eosIds: [1, 0.5] })).toThrow('got [1,0.5]');
    });
  });
});

describe.each([
  { name: 'maskedMax', f: maskedMax, better: (a: number, b: number) => a > b },
  { name: 'maskedMin', f: maskedMin, better: (a: number, b: number) => a < b },
])('$name', ({ name, f, better }) => {
  const axes = fc.constantFrom(undefined, 0, 1, -1);
  const along =
    (axis: number | undefined): Masked =>
    (x, m) =>
      f(x, m, { axis });

  /** One extremum for everything, for each column or for each row; 0 where nothing counts. */
  function oracle({ shape: [b, t], m }: Case, x: ArrayLike<number>, axis: number | undefined): number[] {
    const best: (number | undefined)[] = Array(axis === undefined ? 1 : axis === 0 ? t : b).fill(undefined);
    for (let i = 0; i < b * t; i++) {
      const group = axis === undefined ? 0 : axis === 0 ? i % t : Math.floor(i / t);
      const [y, sofar] = [x[i] as number, best[group]];
      if (m[i] === 1 && (sofar === undefined || better(y, sofar))) best[group] = y;
    }
    return best.map((y) => y ?? 0);
  }

  test('is its definition along every axis, exactly', () => {
    forAll([cases, axes], (input, axis) => {
      const actual = run(along(axis), input);
      expect(actual.map((y) => y + 0)).toEqual(oracle(input, input.x, axis));
    });
  });

  test('has its gradient where nothing ties, and shares it where something does', () => {
    forAll([cases, axes], (input, axis) => {
      const x = input.x.map((_, i) => ((i * 7) % 31) / 16 - 1);
      const total = (y: ArrayLike<number>): number => oracle(input, y, axis).reduce((a, b) => a + b, 0);
      const actual = slope(along(axis), { ...input, x });
      expect(maxError(actual, finiteDifference(total, x, 1e-4), float32)).toBeLessThan(1);
    });
    const tied: Case = { shape: [2, 2], x: [3, 3, 3, 3], m: [1, 0, 1, 1] };
    expect(maxError(slope(along(undefined), tied), [1 / 3, 0, 1 / 3, 1 / 3], float32)).toBeLessThan(1);
    expect(slope(along(1), tied)).toEqual([1, 0, 0.5, 0.5]);
  });

  test('what is masked never matters: neither in the value nor in the gradient', () => {
    forAll([cases, axes, junk], (input, axis, with_) => {
      expect(run(along(axis), dirty(input, with_))).toEqual(run(along(axis), input));
      expect(slope(along(axis), dirty(input, with_))).toEqual(slope(along(axis), input));
    });
  });

  test('NaN that counts is seen, wherever it stands, in its own row only', () => {
    for (const place of [0, 1, 2]) {
      const x = [1, 2, 3, 4, 5, 6].map((y, i) => (i === place ? Number.NaN : y));
      const [first, second] = run(along(1), { shape: [2, 3], x, m: [1, 1, 1, 1, 1, 1] });
      expect(first).toBeNaN();
      expect(second).toBe(name === 'maskedMax' ? 6 : 4);
    }
  });

  test('infinities that count are values; nothing that counts gives 0, with gradient 0', () => {
    const infinite: Case = { shape: [2, 2], x: [-Infinity, -Infinity, Infinity, Infinity], m: [1, 1, 1, 1] };
    expect(run(along(1), infinite)).toEqual([-Infinity, Infinity]);
    const empty: Case = { shape: [2, 2], x: [1, Number.NaN, -3, 4], m: [0, 0, 0, 0] };
    expect(run(along(undefined), empty)[0]).toBeCloseTo(0, 12);
    expect(slope(along(0), empty).every((y) => y === 0)).toBe(true);
  });

  test('gives a scalar unless there is an axis, and says what is wrong', () => {
    tf.tidy(() => {
      const x = tf.ones([2, 3]);
      expectTypeOf(f(x, x)).toEqualTypeOf<tf.Scalar>();
      expect([f(x, x).shape, f(x, x, { axis: 0 }).shape, f(x, x, { axis: -1 }).shape]).toEqual([[], [3], [2]]);
      expect(() => f(x, tf.zeros([2, 4]))).toThrow(`${name}: mask must be float32 [2, 3] like x; got float32 [2, 4]`);
      expect(() => f(tf.zeros([2, 3], 'int32'), x)).toThrow(`${name}: x must be float32 [2, 3]; got int32 [2, 3]`);
    });
  });
});
