import { createRng, type Grid, permutation } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EstimatorLaw } from '../src/entry.ts';
import { estimators } from '../src/registry.ts';

type Ids = ArrayLike<number | string>;
type Value = Grid | ArrayLike<number | null> | readonly ArrayLike<number | null>[] | Ids;
type Inputs = Readonly<Record<string, Value>>;

const shapes = fc.record({
  prompts: fc.integer({ min: 1, max: 3 }),
  perPrompt: fc.integer({ min: 1, max: 4 }),
  tokens: fc.integer({ min: 1, max: 8 }),
});
const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const constants = fc.double({ min: -3, max: 3, noNaN: true });
const scales = fc.double({ min: 0.1, max: 10, noNaN: true });
/** A shift costs the digits that it is larger by, and a small spread divides by what is left. */
const shifted = { absolute: 1e-8, relative: 1e-8 };
const close = { absolute: 1e-11, relative: 1e-11 };

const isGrid = (value: Value): value is Grid => 'data' in value;
/** One array per reward function. */
const isNested = (value: Value): value is readonly ArrayLike<number | null>[] =>
  Array.isArray(value) && value.some((part) => typeof part === 'object' && part !== null);
const numbers = (value: Value): Float64Array =>
  isGrid(value) ? value.data : Float64Array.from(value as ArrayLike<number>);

/** Every number replaced; `null` stays. */
function mapNumbers(value: Value, f: (x: number, at: number) => number): Value {
  if (isGrid(value)) return { ...value, data: value.data.map(f) };
  if (isNested(value)) return value.map((part) => mapNumbers(part, f) as ArrayLike<number | null>);
  return Array.from(value as ArrayLike<number | null>, (x, i) => (x === null ? null : f(x, i)));
}

/** All inputs with their rewards replaced: of [B] or of [B, T], or those of every reward function. */
const mapRewards = (inputs: Inputs, f: (reward: number, row: number) => number): Inputs =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => {
      if (name !== 'rewards' && name !== 'components') return [name, value];
      return [name, mapNumbers(value, (x, at) => f(x, isGrid(value) ? Math.floor(at / value.columns) : at))];
    }),
  );

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
  if (isNested(value)) return value.map((part) => permuteRows(part, order) as ArrayLike<number | null>);
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
    expect(entry.citation).toMatch(/^(arXiv:\d{4}\.\d{5}|doi:10\.\d+\/\S+)$/);
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

  test('is indifferent to the names of the groups', () => {
    forAll([shapes, seeds], (shape, seed) => {
      const inputs = example(shape, seed);
      if (inputs['groups'] === undefined) return;
      const named = Array.from(inputs['groups'] as Ids, (id) => `prompt ${-Number(id)}`);
      expect(run({ ...inputs, groups: named })).toEqual(run(inputs));
    });
  });

  const laws: Readonly<Record<EstimatorLaw, () => void>> = {
    linear: () =>
      forAll([shapes, seeds, constants], (shape, seed, factor) => {
        const x = example(shape, seed);
        const y = example(shape, seed + 1);
        const fixed = (name: string): boolean => name === 'mask' || name === 'groups';
        const mix = (a: Value, b: Value): Value => mapNumbers(a, (v, i) => v + factor * (numbers(b)[i] as number));
        const inputs = Object.fromEntries(Object.entries(x).map(([n, v]) => [n, fixed(n) ? v : mix(v, y[n] as Value)]));
        const other = Object.fromEntries(Object.entries(y).map(([n, v]) => [n, fixed(n) ? (x[n] as Value) : v]));
        expectClose(run(inputs), mix(run(x), run(other)));
      }),
    'shift-invariant': () =>
      forAll([shapes, seeds, constants], (shape, seed, shift) => {
        const inputs = example(shape, seed);
        expectClose(run(mapRewards(inputs, (reward) => reward + shift)), run(inputs), shifted);
      }),
    'group-shift-invariant': () =>
      forAll([shapes, seeds], (shape, seed) => {
        const inputs = example(shape, seed);
        const groups = inputs['groups'] as Ids;
        const shifts = createRng(seed).fork('shifts');
        const shift = new Map(Array.from(new Set(Array.from(groups)), (id) => [id, 5 * shifts.normal()]));
        const moved = mapRewards(inputs, (reward, row) => reward + (shift.get(groups[row] as number) as number));
        expectClose(run(moved), run(inputs), shifted);
      }),
    'scale-equivariant': () =>
      forAll([shapes, seeds, scales], (shape, seed, scale) => {
        const inputs = example(shape, seed);
        const scaled = mapRewards(inputs, (reward) => scale * reward);
        expectClose(
          run(scaled),
          mapNumbers(run(inputs), (a) => scale * a),
        );
      }),
    // An epsilon of 1e-6 beside the deviation of a million rewards is 1e-12 of it.
    'scale-invariant': () =>
      forAll([shapes, seeds, scales], (shape, seed, scale) => {
        const inputs = example(shape, seed);
        const [large, larger] = [1e6, 1e6 * scale].map((by) => run(mapRewards(inputs, (reward) => by * reward)));
        expectClose(larger as Value, large as Value, { absolute: 1e-6, relative: 1e-6 });
      }),
    'zero-mean': () =>
      forAll([shapes, seeds], (shape, seed) => {
        const advantages = numbers(run(example(shape, seed)));
        expect(Math.abs(sum(advantages))).toBeLessThanOrEqual(1e-10 * (1 + sum(advantages.map(Math.abs))));
      }),
    'zero-mean-per-group': () =>
      forAll([shapes, seeds], (shape, seed) => {
        const inputs = example(shape, seed);
        const groups = Array.from(inputs['groups'] as Ids);
        const advantages = numbers(run(inputs));
        for (const id of groups) {
          const own = advantages.filter((_, i) => groups[i] === id);
          expect(Math.abs(sum(own))).toBeLessThanOrEqual(1e-10 * (1 + sum(own.map(Math.abs))));
        }
      }),
  };
  test.each([...entry.laws])('%s', (law) => {
    laws[law]();
  });
});

const expectClose = (got: Value, expected: Value, within = close): void =>
  expect(maxError(numbers(got), numbers(expected), within)).toBeLessThanOrEqual(1);
const sum = (values: Float64Array): number => values.reduce((total, x) => total + x, 0);
const zerosOf = (n: number): number[] => Array.from({ length: n }, () => 0);
