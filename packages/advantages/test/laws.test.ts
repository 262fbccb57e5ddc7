import { createRng, type Grid, permutation } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { estimators } from '../src/registry.ts';

type Value = Grid | ArrayLike<number>;
type Inputs = Readonly<Record<string, Value>>;

const shapes = fc.record({
  prompts: fc.integer({ min: 1, max: 3 }),
  perPrompt: fc.integer({ min: 1, max: 4 }),
  tokens: fc.integer({ min: 1, max: 8 }),
});
const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const close = { absolute: 1e-11, relative: 1e-11 };

const isGrid = (value: Value): value is Grid => 'data' in value;
const numbers = (value: Value): Float64Array => (isGrid(value) ? value.data : Float64Array.from(value));

/** All inputs with their columns rebuilt; arrays per row stay. */
const mapColumns = (inputs: Inputs, f: (name: string, row: readonly number[]) => readonly number[]): Inputs =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [name, isGrid(value) ? onRows(name, value, f) : value]),
  );

function onRows(name: string, grid: Grid, f: (name: string, row: readonly number[]) => readonly number[]): Grid {
  const { rows, columns, data } = grid;
  const mapped = Array.from({ length: rows }, (_, i) =>
    f(name, Array.from(data.slice(i * columns, (i + 1) * columns))),
  );
  return { rows, columns: mapped[0]?.length ?? 0, data: Float64Array.from(mapped.flat()) };
}

const permuteRows = (value: Value, order: Int32Array): Value => {
  if (!isGrid(value)) return Array.from(order, (i) => value[i] as number);
  const { rows, columns, data } = value;
  return {
    rows,
    columns,
    data: Float64Array.from([...order].flatMap((i) => [...data.slice(i * columns, (i + 1) * columns)])),
  };
};

describe.each([...estimators])('$name', (entry) => {
  const example = (shape: { prompts: number; perPrompt: number; tokens: number }, seed: number): Inputs =>
    entry.example(shape, createRng(seed)) as Inputs;
  const run = (inputs: Inputs): Value => entry.estimate(inputs).advantages;

  test('has a name and a citation', () => {
    expect(entry.name).toMatch(/^[a-z][A-Za-z0-9]*$/);
    expect(entry.citation).toMatch(/^arXiv:\d{4}\.\d{5}$/);
  });

  test('returns finite advantages of the right size, and finite metrics', () => {
    forAll([shapes, seeds], (shape, seed) => {
      const { advantages, metrics } = entry.estimate(example(shape, seed));
      const rows = shape.prompts * shape.perPrompt;
      expect(numbers(advantages)).toHaveLength(isGrid(advantages) ? rows * shape.tokens : rows);
      for (const x of [...numbers(advantages), ...Object.values(metrics)]) expect(x).toSatisfy(Number.isFinite);
    });
  });

  test('is deterministic and leaves its inputs alone', () => {
    forAll([shapes, seeds], (shape, seed) => {
      const inputs = example(shape, seed);
      const before = structuredClone(inputs);
      expect(run(inputs)).toEqual(run(inputs));
      expect(inputs).toEqual(before);
    });
  });

  test('is 0 where the mask is, and never reads what stands there', () => {
    forAll([shapes, seeds], (shape, seed) => {
      const inputs = example(shape, seed);
      const mask = inputs['mask'];
      if (mask === undefined || !isGrid(mask)) return;
      const advantages = run(inputs);
      if (isGrid(advantages))
        expect(advantages.data.filter((_, i) => mask.data[i] === 0).every((a) => a === 0)).toBe(true);
      const poisoned = Object.fromEntries(
        Object.entries(inputs).map(([name, value]) => {
          if (name === 'mask' || !isGrid(value)) return [name, value];
          return [name, { ...value, data: value.data.map((x, i) => (mask.data[i] === 0 ? Number.NaN : x)) }];
        }),
      );
      expect(run(poisoned)).toEqual(advantages);
    });
  });

  test('is indifferent to padding', () => {
    forAll([shapes, seeds, fc.integer({ min: 1, max: 3 })], (shape, seed, extra) => {
      const inputs = example(shape, seed);
      const pad = (name: string, row: readonly number[]): number[] => [
        ...row,
        ...Array.from({ length: extra }, () => (name === 'mask' ? 0 : 7)),
      ];
      const padded = run(mapColumns(inputs, pad));
      const plain = run(inputs);
      const expected = isGrid(plain) ? onRows('', plain, (_, row) => [...row, ...zerosOf(extra)]) : plain;
      expect(padded).toEqual(expected);
    });
  });

  test('is indifferent to inserted masked tokens', () => {
    forAll([shapes, seeds, fc.nat()], (shape, seed, where) => {
      const inputs = example(shape, seed);
      const at = where % (shape.tokens + 1);
      const insert = (name: string, row: readonly number[]): number[] => row.toSpliced(at, 0, name === 'mask' ? 0 : 7);
      const plain = run(inputs);
      const expected = isGrid(plain) ? onRows('', plain, (_, row) => row.toSpliced(at, 0, 0)) : plain;
      expect(run(mapColumns(inputs, insert))).toEqual(expected);
    });
  });

  test('permutes with the rows', () => {
    forAll([shapes, seeds], (shape, seed) => {
      const inputs = example(shape, seed);
      const order = permutation(shape.prompts * shape.perPrompt, createRng(seed).fork('order'));
      const permuted = Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, permuteRows(v, order)]));
      expect(maxError(numbers(run(permuted)), numbers(permuteRows(run(inputs), order)), close)).toBeLessThanOrEqual(1);
    });
  });

  if (entry.laws.includes('linear')) {
    test('is linear in all inputs but the mask', () => {
      forAll([shapes, seeds, fc.double({ min: -3, max: 3, noNaN: true })], (shape, seed, factor) => {
        const x = example(shape, seed);
        const y = example(shape, seed + 1);
        const mix = (a: Value, b: Value): Value => {
          const data = numbers(a).map((v, i) => v + factor * (numbers(b)[i] as number));
          return isGrid(a) ? { ...a, data } : data;
        };
        const inputs = Object.fromEntries(
          Object.entries(x).map(([n, v]) => [n, n === 'mask' ? v : mix(v, y[n] as Value)]),
        );
        const masked = { ...y, mask: x['mask'] as Value };
        expect(maxError(numbers(run(inputs)), numbers(mix(run(x), run(masked))), close)).toBeLessThanOrEqual(1);
      });
    });
  }
});

const zerosOf = (n: number): number[] => Array.from({ length: n }, () => 0);
