import * as tf from '@tensorflow/tfjs-core';
import { createRng, isTsrlError, permutation } from '@tsrl/core';
import {
  type Loss,
  type LossResult,
  type PerToken,
  type StepContext,
  sequenceMean,
  sequenceSum,
  sequenceSumNorm,
  tokenMean,
} from '@tsrl/tensor';
import { float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import * as published from '../src/index.ts';
import { tokenTermsOf } from '../src/index.ts';
import { type LossEntry, losses } from '../src/registry.ts';

/** Inputs on the host: rows of numbers by name, one number per row where the loss has no tokens. */
type Rows = Readonly<Record<string, number[][]>>;
type Tensors = Record<string, tf.Tensor>;
interface Kind {
  readonly rank: number;
  readonly dtype: tf.DataType;
  readonly width: number;
}
interface Evaluated {
  readonly loss: number;
  readonly metrics: Record<string, number>;
  readonly gradients: Record<string, number[][]>;
}

const shapes = fc.record({ sequences: fc.integer({ min: 1, max: 5 }), tokens: fc.integer({ min: 1, max: 6 }) });
const seeds = fc.integer({ min: 0, max: 2 ** 31 });

/** Ids are given in order: it tells what was made between two calls. */
const nextTensorId = (): number => tf.tidy(() => tf.scalar(0).id);

const modes = { tokenMean, sequenceMean, sequenceSum, sequenceSumNorm: sequenceSumNorm({ length: 6 }) };

/**
 * The registered defaults and their variants, and every aggregation for the losses that take one, with how many inputs
 * each law sees: the four aggregations share what an option has alone. FC_RUNS in the environment looks further.
 */
const suite: [string, LossEntry, { readonly runs: number }][] = losses.flatMap((entry): typeof suite => [
  [entry.name, entry, { runs: 12 }],
  ...Object.entries(entry.variants ?? {}).map(([name, evaluate]): (typeof suite)[number] => [
    `${entry.name}, ${name}`,
    { ...entry, evaluate },
    { runs: 12 },
  ]),
  ...Object.entries(entry.build ? modes : {}).map(([name, aggregate]): (typeof suite)[number] => [
    `${entry.name} with ${name}`,
    { ...entry, evaluate: entry.build?.(aggregate) as Loss<object> },
    { runs: 3 },
  ]),
]);

describe.each(suite)('%s', (_name, entry, runs) => {
  const perToken = entry.per === 'token';
  /** Rank, dtype and numbers per token of each input, as its example has them. */
  let kinds: Readonly<Record<string, Kind>>;
  beforeAll(() => {
    const tensors = entry.example({ sequences: 2, tokens: 3 }, createRng(1)) as Tensors;
    kinds = Object.fromEntries(
      Object.entries(tensors).map(([name, { rank, dtype, shape }]) => [name, { rank, dtype, width: shape[2] ?? 1 }]),
    );
    tf.dispose(tensors);
  });
  const discrete = ['mask', 'labels', ...(entry.discrete ?? [])];
  const ofBatch = (entry.ofBatch ?? []) as readonly string[];

  const example = (shape: { sequences: number; tokens: number }, seed: number): Rows => {
    const tensors = entry.example(shape, createRng(seed)) as Tensors;
    const rows = Object.fromEntries(
      Object.entries(tensors).map(([name, t]) => [
        name,
        tf.tidy(() => tf.reshape(t, [shape.sequences, -1]).arraySync() as number[][]),
      ]),
    );
    tf.dispose(tensors);
    return rows;
  };

  const tensorsOf = (rows: Rows): Tensors =>
    Object.fromEntries(Object.entries(rows).map(([name, x]) => [name, tensorOf(x, kinds[name] as Kind)]));
  const tensorOf = (x: number[][], { rank, dtype, width }: Kind): tf.Tensor => {
    const [rows, columns] = [x.length, (x[0]?.length as number) / width];
    const shape = rank === 1 ? [rows] : rank === 2 ? [rows, columns] : [rows, columns, width];
    return tf.tensor(x.flat(), shape, dtype);
  };

  const evaluate = (rows: Rows, context?: StepContext): Evaluated =>
    tf.tidy(() => {
      const inputs = tensorsOf(rows);
      const names = entry.differentiable as readonly string[];
      let metrics: Record<string, number> = {};
      const f = (...args: tf.Tensor[]): tf.Scalar => {
        const given = Object.fromEntries(names.map((name, i) => [name, args[i] as tf.Tensor]));
        const result = entry.evaluate({ ...inputs, ...given }, context);
        metrics = Object.fromEntries(
          Object.entries(result.metrics).map(([name, x]) => [name, x.dataSync()[0] as number]),
        );
        return result.loss;
      };
      const { value, grads } = tf.valueAndGrads(f)(names.map((name) => inputs[name] as tf.Tensor));
      const count = rows[names[0] as string]?.length as number;
      return {
        loss: value.dataSync()[0] as number,
        metrics,
        gradients: Object.fromEntries(
          names.map((name, i) => [name, tf.reshape(grads[i] as tf.Tensor, [count, -1]).arraySync() as number[][]]),
        ),
      };
    });

  const flat = ({ loss, metrics, gradients }: Evaluated): number[] => [
    loss,
    ...Object.values(metrics),
    ...Object.values(gradients).flat(2),
  ];

  test('has a name, a citation, and finite results: a scalar loss and scalar metrics', () => {
    expect(entry.name).toMatch(/^[a-z][A-Za-z0-9]*$/);
    expect(entry.citation).toMatch(/^arXiv:\d{4}\.\d{5}$/);
    forAll(
      [shapes, seeds],
      (shape, seed) => {
        expect(flat(evaluate(example(shape, seed))).every(Number.isFinite)).toBe(true);
      },
      runs,
    );
  });

  test('keeps its result and nothing else, and its inputs as they were', () => {
    const inputs = entry.example({ sequences: 3, tokens: 4 }, createRng(1)) as Tensors;
    const before = Object.values(inputs).map((x) => [...x.dataSync()]);
    const count = tf.memory().numTensors;
    const result: LossResult = entry.evaluate(inputs);
    expect(tf.memory().numTensors).toBe(count + 1 + Object.keys(result.metrics).length);
    for (const x of [result.loss, ...Object.values(result.metrics)]) expect(x.shape).toEqual([]);
    expect(Object.values(inputs).map((x) => [...x.dataSync()])).toEqual(before);
    tf.dispose([inputs, result.loss, result.metrics]);
  });

  test('an input of another shape or type is an error of this loss that says so, before any tensor is made', () => {
    const inputs = entry.example({ sequences: 3, tokens: 4 }, createRng(1)) as Tensors;
    const lossOf = (given: Tensors): number => tf.tidy(() => entry.evaluate(given).loss.dataSync()[0] as number);
    let errors = 0;
    for (const [name, x] of Object.entries(inputs)) {
      const others = [
        tf.zeros([...x.shape.slice(0, -1), (x.shape.at(-1) as number) + 1], x.dtype),
        tf.zeros([2, ...x.shape, 1], x.dtype),
        tf.zeros(x.shape, 'bool'),
      ];
      for (const other of others) {
        const before = nextTensorId();
        let value: number | undefined;
        try {
          value = lossOf({ ...inputs, [name]: other });
        } catch (error) {
          errors++;
          expect(isTsrlError(error, 'shape') && error.message).toMatch(
            new RegExp(`^${entry.name}: \\w+ must be .*; got `),
          );
          expect(nextTensorId()).toBe(before + 1);
        }
        // Of an input that is taken as it is, the loss must know nothing.
        const { [name]: _, ...without } = inputs;
        if (value !== undefined) expect(lossOf(without)).toBe(value);
      }
      tf.dispose(others);
    }
    tf.dispose(inputs);
    expect(errors).toBeGreaterThan(0);
  });

  test('the order of the rows does not matter', () => {
    forAll(
      [shapes, seeds],
      (shape, seed) => {
        const rows = example(shape, seed);
        const order = [...permutation(shape.sequences, createRng(seed))];
        const permute = (x: number[][]): number[][] => order.map((i) => x[i] as number[]);
        const there = evaluate(rows);
        const back = evaluate(Object.fromEntries(Object.entries(rows).map(([name, x]) => [name, permute(x)])));
        const gradients = Object.fromEntries(Object.entries(there.gradients).map(([name, x]) => [name, permute(x)]));
        expect(maxError(flat(back), flat({ ...there, gradients }), float32)).toBeLessThan(1);
      },
      runs,
    );
  });

  test.skipIf(entry.excused?.parts)(
    'the parts of a batch add up to the whole, in value and gradient, given its denominators',
    () => {
      forAll(
        [shapes, seeds, fc.nat()],
        (shape, seed, at) => {
          const rows = example(shape, seed);
          const tokens = (rows['mask'] ?? []).flat().reduce((a, b) => a + b, 0);
          const context = { tokens, sequences: shape.sequences };
          const cut = at % (shape.sequences + 1);
          const part = (from: number, to: number): Evaluated | undefined =>
            from === to
              ? undefined
              : evaluate(
                  Object.fromEntries(
                    Object.entries(rows).map(([name, x]) => [name, ofBatch.includes(name) ? x : x.slice(from, to)]),
                  ),
                  context,
                );
          const pieces = [part(0, cut), part(cut, shape.sequences)].filter((x) => x !== undefined);
          const whole = evaluate(rows);
          expect(maxError([pieces.reduce((sum, { loss }) => sum + loss, 0)], [whole.loss], float32)).toBeLessThan(1);
          for (const name of entry.differentiable as readonly string[]) {
            const gradient = pieces.flatMap(({ gradients }) => gradients[name] as number[][]).flat();
            expect(maxError(gradient, (whole.gradients[name] as number[][]).flat(), float32)).toBeLessThan(1);
          }
        },
        runs,
      );
    },
  );

  test.runIf(perToken)('padding, and whatever stands there, changes nothing, NaN included', () => {
    forAll(
      [shapes, seeds, fc.constantFrom(0, 5, -1e30, Number.NaN, Infinity)],
      (shape, seed, junk) => {
        const rows = example(shape, seed);
        const mask = rows['mask'] as number[][];
        const padded = Object.fromEntries(
          Object.entries(rows).map(([name, x]) => [
            name,
            x.map((row, i) => {
              const { rank, width } = kinds[name] as Kind;
              if (rank === 1) return row;
              if (name === 'mask') return [...row, 0, 0];
              const seen = row.map((y, at) => (mask[i]?.[Math.floor(at / width)] === 0 ? junk : y));
              return [...seen, ...Array<number>(2 * width).fill(junk)];
            }),
          ]),
        );
        const plain = evaluate(rows);
        const longer = evaluate(padded);
        const gradients = Object.fromEntries(
          Object.entries(plain.gradients).map(([name, x]) => [
            name,
            x.map((row) => {
              const { rank, width } = kinds[name] as Kind;
              return rank === 1 ? row : [...row, ...Array<number>(2 * width).fill(0)];
            }),
          ]),
        );
        expect(maxError(flat(longer), flat({ ...plain, gradients }), float32)).toBeLessThan(1);
      },
      runs,
    );
  });

  test.runIf(perToken)('whatever a row without a token is given, of the row itself too, reaches no gradient', () => {
    forAll(
      [shapes, seeds, fc.constantFrom(5, Number.NaN, Infinity)],
      (shape, seed, junk) => {
        const rows = example(shape, seed);
        const last = (name: string, x: number[][]): number[] => {
          const row = x[x.length - 1] as number[];
          if (discrete.includes(name)) return row.map((y) => (name === 'mask' ? 0 : y + 1));
          return row.map(() => junk);
        };
        const longer = Object.fromEntries(Object.entries(rows).map(([name, x]) => [name, [...x, last(name, x)]]));
        const plain = evaluate(rows);
        const gradients = Object.fromEntries(
          Object.entries(plain.gradients).map(([name, x]) => [name, [...x, (x[0] as number[]).map(() => 0)]]),
        );
        expect(maxError(flat(evaluate(longer)), flat({ ...plain, gradients }), float32)).toBeLessThan(1);
      },
      runs,
    );
  });

  test.runIf(perToken)('nothing to learn from gives 0 with gradient 0', () => {
    forAll(
      [shapes, seeds],
      (shape, seed) => {
        const rows = example(shape, seed);
        const empty = { ...rows, mask: (rows['mask'] as number[][]).map((row) => row.map(() => 0)) };
        const { loss, metrics, gradients } = evaluate(empty);
        expect(loss).toBeCloseTo(0, 30);
        expect(Object.values(metrics).every((x) => x === 0)).toBe(true);
        expect(
          Object.values(gradients)
            .flat(2)
            .every((x) => x === 0),
        ).toBe(true);
      },
      runs,
    );
  });

  test('a batch without examples is refused in the name of this loss', () => {
    const inputs = entry.example({ sequences: 0, tokens: 3 }, createRng(1)) as Tensors;
    const count = tf.memory().numTensors;
    expect(() => entry.evaluate(inputs)).toThrow(
      new RegExp(`^${entry.name}: \\w+ must be .*, B at least 1; got float32 \\[0`),
    );
    expect(tf.memory().numTensors).toBe(count);
    tf.dispose(inputs);
  });

  test.runIf(perToken)('a batch without columns gives 0', () => {
    const inputs = entry.example({ sequences: 2, tokens: 0 }, createRng(1)) as Tensors;
    const { loss, metrics } = entry.evaluate(inputs);
    expect(loss.dataSync()[0]).toBeCloseTo(0, 30);
    for (const metric of Object.values(metrics)) expect(metric.dataSync()[0]).toSatisfy(Number.isFinite);
    tf.dispose([loss, metrics, inputs]);
  });

  test('stays finite for extreme inputs', () => {
    const extreme = fc.constantFrom(-1e4, -50, 0, 50, 1e4);
    forAll(
      [shapes, seeds, fc.array(extreme, { minLength: 30, maxLength: 30 })],
      (shape, seed, values) => {
        const rows = example(shape, seed);
        let i = 0;
        const extremes = Object.fromEntries(
          Object.entries(rows).map(([name, x]) => [
            name,
            discrete.includes(name) ? x : x.map((row) => row.map(() => values[i++ % 30] as number)),
          ]),
        );
        expect(flat(evaluate(extremes)).every(Number.isFinite)).toBe(true);
      },
      runs,
    );
  });

  test.skipIf(entry.excused?.descent)('a small step against the gradient lowers the loss', () => {
    forAll(
      [shapes, seeds],
      (shape, seed) => {
        const rows = example(shape, seed);
        const { loss, gradients } = evaluate(rows);
        const slope = Object.values(gradients)
          .flat(2)
          .reduce((sum, g) => sum + g * g, 0);
        fc.pre(slope > 1e-5);
        const step = 1e-3 / Math.sqrt(slope);
        const moved = Object.fromEntries(
          Object.entries(rows).map(([name, x]) => [
            name,
            x.map((row, i) => row.map((y, t) => y - step * (gradients[name]?.[i]?.[t] ?? 0))),
          ]),
        );
        expect(evaluate(moved).loss).toBeLessThan(loss);
      },
      runs,
    );
  });

  const terms = tokenTermsOf(entry.evaluate as Loss<never>)?.({});
  test.runIf(terms)('the slopes that it tells are the gradient of the loss', () => {
    forAll(
      [shapes, seeds],
      (shape, seed) => {
        const rows = example(shape, seed);
        const mask = (rows['mask'] as number[][]).flat();
        const expected = evaluate(rows).gradients;
        const got = Object.fromEntries(Object.keys(expected).map((name) => [name, mask.map(() => 0)]));
        for (const { of, inputs, slope, aggregate } of terms ?? []) {
          const weights = tf.tidy(() => {
            const counts = tf.tensor2d(rows['mask'] as number[][]);
            return tf
              .grad((x) => aggregate(x as PerToken, counts, {}))(tf.zerosLike(counts))
              .dataSync();
          });
          const values = (rows[of] as number[][]).flat();
          const columns = inputs.map((name) => (rows[name] as number[][]).flat());
          mask.forEach((m, i) => {
            if (m === 0) return;
            const at = Float32Array.from(columns, (column) => column[i] as number);
            (got[of] as number[])[i]! += (weights[i] as number) * slope(values[i] as number, at, 0);
          });
        }
        for (const [name, gradient] of Object.entries(expected)) {
          expect(maxError(got[name] as number[], gradient.flat(), float32)).toBeLessThan(1);
        }
      },
      runs,
    );
  });
});

test('every entry of the registry is published under its name', () => {
  const names = losses.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(Object.keys(published)).toEqual(expect.arrayContaining(names));
  expect(names.length).toBeGreaterThanOrEqual(9);
});
