import * as tf from '@tensorflow/tfjs-core';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Aggregate,
  type StepContext,
  sequenceMean,
  sequenceSum,
  sequenceSumNorm,
  tokenMean,
  tokenSum,
} from '../src/index.ts';

type Rows = readonly (readonly number[])[];

const sum = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0);
const over = (a: number, b: number): number => (b > 0 ? a / b : 0);

/** S_i, n_i, N and B₊ from their definitions. */
function parts(loss: Rows, mask: Rows): { sums: number[]; counts: number[]; tokens: number; sequences: number } {
  const sums = loss.map((row, i) => sum(row.map((y, t) => ((mask[i]?.[t] ?? 0) > 0 ? y * (mask[i]?.[t] ?? 0) : 0))));
  const counts = mask.map(sum);
  return { sums, counts, tokens: sum(counts), sequences: counts.filter((n) => n > 0).length };
}

const modes: Record<
  string,
  { aggregate: Aggregate; oracle: (loss: Rows, mask: Rows, context: StepContext) => number }
> = {
  tokenMean: {
    aggregate: tokenMean,
    oracle: (loss, mask, { tokens }) => {
      const p = parts(loss, mask);
      return over(sum(p.sums), tokens ?? p.tokens);
    },
  },
  sequenceMean: {
    aggregate: sequenceMean,
    oracle: (loss, mask, { sequences }) => {
      const p = parts(loss, mask);
      return over(sum(p.sums.map((s, i) => over(s, p.counts[i] as number))), sequences ?? p.sequences);
    },
  },
  sequenceSum: {
    aggregate: sequenceSum,
    oracle: (loss, mask, { sequences }) => {
      const p = parts(loss, mask);
      return over(sum(p.sums), sequences ?? p.sequences);
    },
  },
  sequenceSumNorm: {
    aggregate: sequenceSumNorm({ length: 7 }),
    oracle: (loss, mask, { sequences }) => {
      const p = parts(loss, mask);
      return over(sum(p.sums), sequences ?? p.sequences) / 7;
    },
  },
  tokenSum: { aggregate: tokenSum, oracle: (loss, mask) => sum(parts(loss, mask).sums) },
};

const value = fc.integer({ min: -64, max: 64 }).map((k) => k / 16);
const batches = (weight: fc.Arbitrary<number>): fc.Arbitrary<{ loss: number[][]; mask: number[][] }> =>
  fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })).chain(([b, t]) => {
    const rows = (of: fc.Arbitrary<number>): fc.Arbitrary<number[][]> =>
      fc.array(fc.array(of, { minLength: t, maxLength: t }), { minLength: b, maxLength: b });
    return fc.record({ loss: rows(value), mask: rows(weight) });
  });
const weights = fc.constantFrom(0, 0, 0.5, 1, 1, 2);

const apply = (aggregate: Aggregate, loss: Rows, mask: Rows, context: StepContext = {}): number =>
  tf.tidy(
    () => aggregate(tf.tensor2d(loss as number[][]), tf.tensor2d(mask as number[][]), context).dataSync()[0] as number,
  );

const gradient = (aggregate: Aggregate, loss: Rows, mask: Rows, context: StepContext = {}): Float32Array =>
  tf.tidy(() => {
    const m = tf.tensor2d(mask as number[][]);
    const slope = tf.grad((x) => aggregate(x as tf.Tensor2D, m, context))(tf.tensor2d(loss as number[][]));
    return Float32Array.from(slope.dataSync());
  });

describe.each(Object.entries(modes))('%s', (_name, { aggregate, oracle }) => {
  test('is its definition, with its gradient, also with weights and given denominators', () => {
    const contexts = fc.constantFrom<StepContext>({}, { tokens: 11 }, { sequences: 6 }, { tokens: 11, sequences: 6 });
    forAll([batches(weights), contexts], ({ loss, mask }, context) => {
      expect(maxError([apply(aggregate, loss, mask, context)], [oracle(loss, mask, context)], float32)).toBeLessThan(1);
      const width = loss[0]?.length as number;
      const f = (x: Float64Array): number =>
        oracle(
          loss.map((_, i) => [...x.slice(i * width, (i + 1) * width)]),
          mask,
          context,
        );
      const expected = finiteDifference(f, loss.flat(), 1e-3);
      expect(maxError(gradient(aggregate, loss, mask, context), expected, float32)).toBeLessThan(1);
    });
  });

  test('the parts of a batch add up to the whole, given its denominators', () => {
    forAll([batches(weights), fc.nat()], ({ loss, mask }, at) => {
      const { tokens, sequences } = parts(loss, mask);
      const cut = at % (loss.length + 1);
      const context = { tokens, sequences };
      const pieces = [0, cut].map((from, i) => [from, i === 0 ? cut : loss.length] as const).filter(([a, b]) => a < b);
      const total = sum(pieces.map(([a, b]) => apply(aggregate, loss.slice(a, b), mask.slice(a, b), context)));
      expect(maxError([total], [apply(aggregate, loss, mask)], float32)).toBeLessThan(1);
    });
  });

  test('padding, rows without tokens and what stands at masked positions change nothing', () => {
    forAll([batches(weights), fc.constantFrom(9, Number.NaN, Infinity)], ({ loss, mask }, junk) => {
      const dirty = loss.map((row, i) => [...row.map((y, t) => (mask[i]?.[t] === 0 ? junk : y)), junk]);
      const longer = mask.map((row) => [...row, 0]);
      const more = [
        [...dirty, dirty[0] as number[]],
        [...longer, longer[0]?.map(() => 0) as number[]],
      ] as const;
      const plain = apply(aggregate, loss, mask);
      expect(maxError([apply(aggregate, ...more)], [plain], float32)).toBeLessThan(1);
      expect(gradient(aggregate, ...more).every(Number.isFinite)).toBe(true);
    });
  });

  test('no token at all gives 0 with gradient 0, whatever the denominators', () => {
    for (const context of [{}, { tokens: 0, sequences: 0 }, { tokens: 5, sequences: 2 }]) {
      expect(apply(aggregate, [[1, 2]], [[0, 0]], context)).toBe(0);
      expect([...gradient(aggregate, [[1, 2]], [[0, 0]], context)]).toEqual([0, 0]);
    }
  });

  test('keeps nothing but its result, and needs no context', () => {
    const [loss, mask] = [tf.ones<tf.Rank.R2>([2, 3]), tf.ones<tf.Rank.R2>([2, 3])];
    const before = tf.memory().numTensors;
    const result = (aggregate as (x: tf.Tensor2D, m: tf.Tensor2D) => tf.Scalar)(loss, mask);
    expect(tf.memory().numTensors).toBe(before + 1);
    expect(result.shape).toEqual([]);
    tf.dispose([loss, mask, result]);
  });
});

test('the numbers of the specification', () => {
  const loss = [
    [1, 2, 3],
    [4, Number.NaN, Number.NaN],
  ];
  const mask = [
    [1, 1, 1],
    [1, 0, 0],
  ];
  expect(apply(tokenMean, loss, mask)).toBe(2.5);
  expect(apply(sequenceSum, loss, mask)).toBe(5);
  expect(apply(sequenceMean, loss, mask)).toBe(3);
  expect(apply(sequenceSumNorm({ length: 3 }), loss, mask)).toBeCloseTo(5 / 3, 6);
  expect(apply(tokenSum, loss, mask)).toBe(10);
});

test('all means agree when all rows have C tokens', () => {
  forAll([batches(fc.constant(1))], ({ loss, mask }) => {
    const length = loss[0]?.length as number;
    const expected = apply(tokenMean, loss, mask);
    for (const aggregate of [sequenceMean, sequenceSumNorm({ length })]) {
      expect(maxError([apply(aggregate, loss, mask)], [expected], float32)).toBeLessThan(1);
    }
  });
});

test('splitting a row leaves the token mean, repeating every token leaves the sequence mean', () => {
  forAll([batches(weights)], ({ loss, mask }) => {
    const split = (rows: Rows): number[][] =>
      rows.flatMap((row) => [row.map((y, t) => (t < 1 ? y : 0)), row.map((y, t) => (t < 1 ? 0 : y))]);
    expect(
      maxError([apply(tokenMean, split(loss), split(mask))], [apply(tokenMean, loss, mask)], float32),
    ).toBeLessThan(1);
    const twice = (rows: Rows): number[][] => rows.map((row) => row.flatMap((y) => [y, y]));
    const repeated = apply(sequenceMean, twice(loss), twice(mask));
    expect(maxError([repeated], [apply(sequenceMean, loss, mask)], float32)).toBeLessThan(1);
  });
});

test('errors say what is wrong', () => {
  for (const length of [0, -1, Number.NaN, Infinity]) {
    expect(() => sequenceSumNorm({ length })).toThrow(
      `sequenceSumNorm: length must be positive and finite; got ${length}`,
    );
  }
  tf.tidy(() => {
    const ones = tf.ones<tf.Rank.R2>([2, 3]);
    expect(() => tokenMean(tf.ones([3]) as unknown as tf.Tensor2D, ones)).toThrow(
      'tokenMean: perToken must be float32 [B, T]; got float32 [3]',
    );
    expect(() => sequenceMean(ones, tf.ones([2, 2]))).toThrow(
      'sequenceMean: mask must be float32 [2, 3] like perToken; got float32 [2, 2]',
    );
    expect(() => sequenceSum(ones, tf.ones([2, 2]))).toThrow('sequenceSum: mask');
    expect(() => sequenceSumNorm({ length: 2 })(ones, tf.ones([2, 2]), {})).toThrow('sequenceSum: mask');
    expect(() => tokenSum(ones, tf.ones([2, 2]))).toThrow('tokenSum: mask');
  });
});
