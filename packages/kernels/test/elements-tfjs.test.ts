import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { afterEach, describe, expect, test } from 'vitest';
import { installFastKernels, uninstallFastKernels } from '../src/tfjs/index.ts';

/** What tfjs itself gives, and what the kernels do; on cpu the two are the same but for `TsrlK3`. */
const both = (compute: () => tf.Tensor): [number[], number[]] => {
  const read = (): number[] => tf.tidy(() => [...compute().dataSync()]);
  const fast = read();
  uninstallFastKernels();
  return [fast, read()];
};

afterEach(() => {
  installFastKernels();
});

const odd = [1, -1, 0, 2, Infinity, -Infinity, 0.5];
const numbers = (shape: number[], step: number): tf.Tensor =>
  tf.tensor(
    Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => odd[(i * step + step) % odd.length]!),
    shape,
  );
const shapes: [number[], number[]][] = [
  [[], []],
  [[37], [37]],
  [
    [0, 3],
    [0, 3],
  ],
  [[5, 7], []],
  [[], [5, 7]],
  [[1], [2, 9, 3]],
  [[1, 1, 1], [6]],
  [[5, 7], [7]], // by tfjs
  [
    [5, 1],
    [5, 7],
  ], // by tfjs
];
const operations = {
  greater: tf.greater,
  greaterEqual: tf.greaterEqual,
  less: tf.less,
  lessEqual: tf.lessEqual,
  maximum: tf.maximum,
  minimum: tf.minimum,
};

describe.each(Object.entries(operations))('%s', (_name, operation) => {
  test.each(shapes)('is that of tfjs for %j and %j', (a, b) => {
    const [fast, plain] = both(() => operation(numbers(a, 2), numbers(b, 3)));
    expect(fast).toEqual(plain);
    tf.tidy(() => {
      const { shape, dtype } = operation(numbers(a, 2), numbers(b, 3));
      expect([shape, dtype]).toEqual([
        tf.broadcastTo(tf.add(numbers(a, 1), numbers(b, 1)), tf.add(numbers(a, 1), numbers(b, 1)).shape).shape,
        _name.endsWith('imum') ? 'float32' : 'bool',
      ]);
    });
  });

  test('is that of tfjs for integers', () => {
    const [fast, plain] = both(() =>
      operation(tf.tensor1d([1, 2, 3], 'int32'), tf.tensor1d([2, 2, 2 ** 31 - 1], 'int32')),
    );
    expect(fast).toEqual(plain);
  });
});

test('of NaN every comparison is false, and the maximum NaN whichever of the two it is', () => {
  const data = tf.tidy(() => {
    const [x, y] = [tf.tensor1d([Number.NaN, 1]), tf.tensor1d([1, Number.NaN])];
    return Object.entries(operations).map(([name, operation]) => [name, [...operation(x, y).dataSync()]] as const);
  });
  for (const [name, values] of data) {
    expect([name, ...values]).toEqual(name.endsWith('imum') ? [name, Number.NaN, Number.NaN] : [name, 0, 0]);
  }
});

describe('where', () => {
  test.each<[number[], number[], number[]]>([
    [[37], [37], [37]],
    [[], [], []],
    [
      [5, 7],
      [5, 7],
      [5, 7],
    ],
    [[5, 1], [5, 7], []],
    [[7], [5, 7], [1, 7]],
    [
      [0, 3],
      [0, 3],
      [0, 3],
    ],
  ])('is that of tfjs for %j, %j, %j', (condition, t, e) => {
    const [fast, plain] = both(() =>
      tf.where(tf.cast(tf.greater(numbers(condition, 2), 0), 'bool'), numbers(t, 3), numbers(e, 4)),
    );
    expect(fast).toEqual(plain);
  });

  test('is that of tfjs for integers and for rows', () => {
    const truths = (): tf.Tensor => tf.tensor1d([1, 0, 1], 'bool');
    const integers = (from: number): tf.Tensor => tf.tensor1d([from, from + 1, from + 2], 'int32');
    const [fast, plain] = both(() => tf.where(truths(), integers(1), integers(2 ** 30)));
    expect(fast).toEqual(plain);
    installFastKernels();
    const rows = (): tf.Tensor =>
      tf.engine().runKernel('Select', {
        condition: truths(),
        t: numbers([3, 2], 1),
        e: numbers([3, 2], 3),
      } as unknown as tf.NamedTensorMap) as tf.Tensor;
    const [fastRows, plainRows] = both(rows);
    expect(fastRows).toEqual(plainRows);
  });
});

test.each<[number[], number[]]>([
  [[37], [37]],
  [
    [0, 3],
    [0, 3],
  ],
  [[], []],
  [[5, 7], [7]], // by tfjs
])('logicalAnd, logicalNot and clipByValue are those of tfjs for %j and %j', (a, b) => {
  for (const compute of [
    () => tf.logicalAnd(tf.greater(numbers(a, 2), 0), tf.less(numbers(b, 3), 1)),
    () => tf.logicalNot(tf.greater(numbers(a, 2), 0)),
    () => tf.clipByValue(numbers(a, 2), -0.5, 1.5),
  ]) {
    const [fast, plain] = both(compute);
    expect(fast).toEqual(plain);
    installFastKernels();
  }
});

test('TsrlK3 is the estimate and its slope for every shape, empty ones too', () => {
  const rng = createRng(1);
  for (const shape of [[], [0], [3], [2, 5], [2, 3, 4]]) {
    const d = Array.from({ length: tf.util.sizeFromShape(shape) }, () => Math.fround(3 * rng.normal()));
    const [value, slope] = tf.tidy(() => {
      const results = tf.engine().runKernel('TsrlK3', { d: tf.tensor(d, shape) } as unknown as tf.NamedTensorMap, {
        clamp: 2,
        maxValue: 3,
      }) as unknown as tf.Tensor[];
      expect(results.map((result) => result.shape)).toEqual([shape, shape]);
      return results.map((result) => [...result.dataSync()]);
    }) as [number[], number[]];
    for (const [i, x] of d.entries()) {
      const inner = Math.min(Math.max(x, -2), 2);
      const free = Math.expm1(-inner) + inner;
      expect(Math.abs(value[i]! - Math.min(free, 3))).toBeLessThan(1e-6);
      expect(Math.abs(slope[i]! - (Math.abs(x) > 2 || free > 3 ? 0 : -Math.expm1(-x)))).toBeLessThan(1e-6);
    }
  }
});
