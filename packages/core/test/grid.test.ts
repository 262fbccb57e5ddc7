import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { expectLength, expectSameGrid, gridOf, isTsrlError, ShapeError, zeros } from '../src/index.ts';

const size = fc.nat(6);

test('gridOf lays rows one after the other', () => {
  forAll(
    [
      size.chain((columns) =>
        fc.array(fc.array(fc.double(), { minLength: columns, maxLength: columns }), { minLength: 1, maxLength: 6 }),
      ),
    ],
    (rows) => {
      const grid = gridOf(rows);
      expect([grid.rows, grid.columns]).toEqual([rows.length, rows[0]?.length ?? 0]);
      expect(Array.from(grid.data)).toEqual(rows.flat());
      expectSameGrid('test', { grid, copy: gridOf(rows) });
    },
  );
  expect(gridOf([Float32Array.of(1, 2), Int32Array.of(3, 4)]).data).toEqual(Float64Array.of(1, 2, 3, 4));
});

test('gridOf refuses rows of different length', () => {
  expect(() => gridOf([[1, 2], [3]])).toThrow(new ShapeError('gridOf', 'row 1', 'of length 2 like row 0', 'length 1'));
  expect(() => gridOf([[1, 2], [3]])).toThrow('gridOf: row 1 must be of length 2 like row 0; got length 1');
});

test('zeros is a consistent grid of zeros', () => {
  forAll([size, size], (rows, columns) => {
    const grid = zeros(rows, columns);
    const check = (): void => expectSameGrid('test', { grid });
    if (rows > 0) check();
    else expect(check).toThrow(`test: grid must be of at least one response; got [0, ${columns}]`);
    expect(grid.data.length).toBe(rows * columns);
    expect(grid.data.every((x) => x === 0)).toBe(true);
  });
});

test('expectSameGrid names the first grid that differs from the first', () => {
  const values = zeros(2, 3);
  expect(() => expectSameGrid('gae', { rewards: zeros(2, 3), values, mask: zeros(3, 2) })).toThrow(
    'gae: mask must be [2, 3] like rewards; got [3, 2]',
  );
  for (const mask of [zeros(3, 3), zeros(2, 4)]) expect(() => expectSameGrid('gae', { values, mask })).toThrow(/mask/);
  expect(() => expectSameGrid('gae', { values: { ...values, data: new Float64Array(5) } })).toThrow(
    'gae: values must be [2, 3] = 6 numbers; got 5 numbers',
  );
  expectSameGrid('gae', {});
});

test('expectLength', () => {
  expectLength('grpo', 'groups', [1, 2], 2);
  try {
    expectLength('grpo', 'groups', Int32Array.of(1, 2), 3);
    expect.unreachable();
  } catch (error) {
    expect(isTsrlError(error, 'shape')).toBe(true);
    expect(String(error)).toBe('ShapeError: grpo: groups must be of length 3; got length 2');
  }
});
