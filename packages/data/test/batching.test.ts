import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createRng } from '@tsrl/core';
import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bucketedBatches, padTokens, shuffledIndices } from '../src/index.ts';
import { loadLabelledTexts } from '../src/node.ts';

describe('padTokens', () => {
  const sequences = fc.array(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }), {
    minLength: 1,
    maxLength: 6,
  });

  test('every row is its sequence, cut and padded', () => {
    forAll(
      [
        sequences,
        fc.integer({ min: 1, max: 14 }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom<'end' | 'start'>('end', 'start'),
        fc.integer({ min: -1, max: 0 }),
      ],
      (rows, maxLength, multipleOf, truncate, padId) => {
        const grid = padTokens(rows, { maxLength, multipleOf, truncate, padId });
        const longest = Math.min(maxLength, Math.max(...rows.map((row) => row.length)));
        expect(grid.rows).toBe(rows.length);
        expect(grid.columns).toBeGreaterThanOrEqual(longest);
        expect(grid.columns).toBeLessThan(longest + multipleOf);
        expect(grid.columns).toBeLessThanOrEqual(maxLength);
        expect(grid.columns % multipleOf === 0 || grid.columns === maxLength).toBe(true);
        rows.forEach((row, i) => {
          const kept = row.slice(...(truncate === 'end' ? [0, maxLength] : [-maxLength]));
          expect(grid.lengths[i]).toBe(kept.length);
          const padding = new Array<number>(grid.columns - kept.length).fill(padId);
          const written = grid.ids.slice(i * grid.columns, (i + 1) * grid.columns);
          expect([...written]).toEqual([...kept, ...padding]);
        });
        expect(grid.ids.length).toBe(grid.rows * grid.columns);
      },
    );
  });

  test('by default it keeps the start, pads with 0 and adds no column', () => {
    expect(padTokens([[1, 2, 3, 4], Int32Array.of(5)], { maxLength: 3 })).toEqual({
      ids: Int32Array.of(1, 2, 3, 5, 0, 0),
      lengths: Int32Array.of(3, 1),
      rows: 2,
      columns: 3,
    });
  });

  test('refuses what is no batch', () => {
    const pad =
      (options: Partial<Parameters<typeof padTokens>[1]>, rows: number[][] = [[1]]) =>
      () =>
        padTokens(rows, { maxLength: 4, ...options });
    expect(pad({ maxLength: 0 })).toThrow('padTokens: maxLength must be an integer of at least 1; got 0');
    expect(pad({ multipleOf: 1.5 })).toThrow('padTokens: multipleOf must be an integer of at least 1; got 1.5');
    expect(pad({ padId: Number.NaN })).toThrow('padTokens: padId must be an integer; got NaN');
    expect(pad({ truncate: 'left' as 'end' })).toThrow(`padTokens: truncate must be 'end' or 'start'; got "left"`);
    expect(pad({}, [])).toThrow('padTokens: sequences must be at least one; got none');
    expect(pad({}, [[1], []])).toThrow('padTokens: sequence 1 must be of at least one token; got none');
  });
});

/** The share of the cells of all batches that are padding. */
function paddingShare(lengths: readonly number[], batches: readonly ArrayLike<number>[]): number {
  let [cells, tokens] = [0, 0];
  for (const batch of batches) {
    const each = Array.from(batch, (i) => lengths[i] as number);
    cells += Math.max(...each) * each.length;
    tokens += each.reduce((a, b) => a + b, 0);
  }
  return 1 - tokens / cells;
}

const cut = (order: ArrayLike<number>, size: number): number[][] =>
  Array.from({ length: Math.ceil(order.length / size) }, (_, b) => Array.from(order).slice(b * size, (b + 1) * size));

describe('bucketedBatches', () => {
  const epoch = fc
    .array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 80 })
    .chain((lengths) =>
      fc.tuple(fc.constant(lengths), fc.array(fc.nat({ max: lengths.length - 1 }), { maxLength: 100 })),
    );
  const small = fc.integer({ min: 1, max: 9 });

  test('shows every position as often as the order does, in full batches but for the last', () => {
    forAll([epoch, small, small, fc.integer()], ([lengths, order], batchSize, window, seed) => {
      const batches = bucketedBatches(lengths, order, batchSize, createRng(seed), { window });
      const shown = batches.flatMap((batch) => [...batch]);
      expect(shown.sort((a, b) => a - b)).toEqual([...order].sort((a, b) => a - b));
      expect(batches.length).toBe(Math.ceil(order.length / batchSize));
      for (const batch of batches.slice(0, -1)) expect(batch.length).toBe(batchSize);
      expect(bucketedBatches(lengths, order, batchSize, createRng(seed), { window })).toEqual(batches);
    });
  });

  test('a window is cut in order of length: its batches do not overlap, and the short batch is the end of the order', () => {
    forAll([epoch, small, small, fc.integer()], ([lengths, order], batchSize, window, seed) => {
      const batches = bucketedBatches(lengths, order, batchSize, createRng(seed), { window });
      const short = order.length % batchSize;
      if (short > 0) expect([...(batches.at(-1) as Int32Array)]).toEqual(order.slice(-short));
      // The same partition by an oracle: per window, sort and cut; compare as sets of batches by their lengths.
      const expected: string[] = [];
      const whole = order.slice(0, order.length - short);
      for (const part of cut(whole, window * batchSize)) {
        const sorted = part.map((i) => lengths[i] as number).sort((a, b) => a - b);
        expected.push(...cut(sorted, batchSize).map(String));
      }
      const got = batches
        .slice(0, whole.length / batchSize)
        .map((batch) => String(Array.from(batch, (i) => lengths[i] as number).sort((a, b) => a - b)));
      expect(got.sort()).toEqual(expected.sort());
    });
  });

  test('never pads more than the plain order', () => {
    forAll([epoch, small, small, fc.integer()], ([lengths, order], batchSize, window, seed) => {
      fc.pre(order.length > 0);
      const bucketed = paddingShare(lengths, bucketedBatches(lengths, order, batchSize, createRng(seed), { window }));
      expect(bucketed).toBeLessThanOrEqual(paddingShare(lengths, cut(order, batchSize)) + 1e-12);
    });
  });

  test('the batches come in random order, not short texts first', () => {
    const lengths = Array.from({ length: 400 }, (_, i) => i + 1);
    const rng = createRng(4);
    const runs = 2000;
    let shortFirst = 0;
    for (let run = 0; run < runs; run++) {
      const [first, second] = bucketedBatches(lengths, shuffledIndices(400, rng), 100, rng) as [Int32Array, Int32Array];
      shortFirst += (first[0] as number) < (second[0] as number) ? 1 : 0;
    }
    expect(Math.abs(shortFirst - runs / 2)).toBeLessThan(4 * Math.sqrt(runs / 4)); // 4 sigma
  });

  test('refuses sizes and positions out of range', () => {
    const rng = createRng(1);
    expect(() => bucketedBatches([1], [0], 0, rng)).toThrow(
      'bucketedBatches: batchSize must be an integer of at least 1; got 0',
    );
    expect(() => bucketedBatches([1], [0], 1, rng, { window: 0 })).toThrow(
      'bucketedBatches: window must be an integer of at least 1; got 0',
    );
    expect(() => bucketedBatches([1], [0, 1], 1, rng)).toThrow(
      'bucketedBatches: order must be positions below 1; got 1',
    );
    expect(() => bucketedBatches([1], [-1], 1, rng)).toThrow(
      'bucketedBatches: order must be positions below 1; got -1',
    );
  });
});

const messages = fileURLToPath(new URL('../../../../shared/data/sms_spam/train.jsonl', import.meta.url));

describe.skipIf(!existsSync(messages))('on ../shared/data/sms_spam (skipped where it is missing)', () => {
  test('bucketing takes the padding of batches of 32 from 67 % of the cells to 15 %', async () => {
    const examples = await loadLabelledTexts(messages);
    expect(examples.length).toBe(3612);
    const lengths = examples.map(({ text }) => text.length);
    const share = { plain: 0, bucketed: 0 };
    const seeds = [1, 2, 3, 4, 5];
    for (const seed of seeds) {
      const order = shuffledIndices(lengths.length, createRng(seed));
      share.plain += paddingShare(lengths, cut(order, 32)) / seeds.length;
      share.bucketed += paddingShare(lengths, bucketedBatches(lengths, order, 32, createRng(seed))) / seeds.length;
    }
    // Measured: 0.6730 and 0.1487; sorting the whole data set, which gives up random batches, would leave 0.064.
    expect(Math.abs(share.plain - 0.673)).toBeLessThan(0.005);
    expect(Math.abs(share.bucketed - 0.149)).toBeLessThan(0.005);
  });
});
