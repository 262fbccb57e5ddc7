import { OptionError } from '@tsrl/core';
import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { collapsed, confusion } from '../src/index.ts';

const size = fc.integer({ min: 0, max: 300 });

test('the shares of 2.14, number 12: in whole numbers, and at their ends', () => {
  forAll([size, size, size, size], (tn, fp, fn, tp) => {
    const n = tn + fp + fn + tp;
    fc.pre(n > 0);
    const few = (fp + tp) * 100 < 2 * n || (fp + tp) * 100 > 98 * n;
    const mixed = (fn + tp) * 10 >= n && (fn + tp) * 10 <= 9 * n;
    const table = [
      [tn, fp],
      [fn, tp],
    ] as const;
    expect(collapsed(table)).toBe(few && mixed);
    const swapped = [
      [tp, fn],
      [fp, tn],
    ] as const;
    expect(collapsed(swapped)).toBe(collapsed(table));
  });
  // 2 % and 98 % are not beyond, 10 % and 90 % are within.
  const of = (tn: number, fp: number, fn: number, tp: number): boolean =>
    collapsed([
      [tn, fp],
      [fn, tp],
    ]);
  expect([of(49, 1, 49, 1), of(50, 0, 49, 1), of(1, 49, 1, 49), of(0, 50, 1, 49)]).toEqual([false, true, false, true]);
  expect([of(90, 0, 10, 0), of(91, 0, 9, 0), of(0, 10, 0, 90), of(0, 9, 0, 91)]).toEqual([true, false, true, false]);
});

test('reads what confusion gives', () => {
  const labels = Array.from({ length: 40 }, (_, i) => i % 2);
  expect(
    collapsed(
      confusion(
        labels.map(() => 0.3),
        labels,
      ),
    ),
  ).toBe(true);
  expect(collapsed(confusion(labels, labels))).toBe(false);
});

test('errors', () => {
  const empty = [
    [0, 0],
    [0, 0],
  ] as const;
  expect(() => collapsed(empty)).toThrow(OptionError);
  expect(() => collapsed(empty)).toThrow('collapsed: confusion must be of at least one example; got [[0,0],[0,0]]');
});
