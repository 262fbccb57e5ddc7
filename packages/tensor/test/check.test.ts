import * as tf from '@tensorflow/tfjs-core';
import { gridOf, isTsrlError } from '@tsrl/core';
import { expect, test } from 'vitest';
import { expectSameShape, expectShape, toGrid, toTensor } from '../src/index.ts';

const thrown = (f: () => unknown): unknown => {
  try {
    f();
  } catch (error) {
    return error;
  }
  return undefined;
};

test('expectShape compares rank, sizes and dtype', () => {
  tf.tidy(() => {
    const tensor = tf.zeros([2, 3]);
    expectShape('f', 'x', tensor, ['B', 'T']);
    expectShape('f', 'x', tensor, [2, 'T']);
    expectShape('f', 'x', tf.zeros([2], 'int32'), ['B'], 'int32');
    const error = thrown(() => expectShape('ppoClip', 'logProbs', tf.zeros([1]), ['B', 'T']));
    expect(error).toHaveProperty('message', 'ppoClip: logProbs must be float32 [B, T]; got float32 [1]');
    expect(isTsrlError(error, 'shape')).toBe(true);
    expect(() => expectShape('f', 'x', tensor, [2, 4])).toThrow('f: x must be float32 [2, 4]; got float32 [2, 3]');
    expect(() => expectShape('f', 'x', tensor, ['B', 'T'], 'int32')).toThrow(
      'f: x must be int32 [B, T]; got float32 [2, 3]',
    );
    expect(() => expectShape('f', 'x', tf.scalar(1), ['B'])).toThrow('f: x must be float32 [B]; got float32 []');
  });
});

test('expectSameShape compares all with the first', () => {
  tf.tidy(() => {
    const x = tf.zeros([2, 3]);
    expectSameShape('f', {});
    expectSameShape('f', { x, y: tf.ones([2, 3]) });
    expect(() => expectSameShape('f', { x, y: x, z: tf.zeros([3, 2]) })).toThrow(
      'f: z must be float32 [2, 3] like x; got float32 [3, 2]',
    );
    expect(() => expectSameShape('f', { x, y: tf.zeros([2, 3, 1]) })).toThrow('got float32 [2, 3, 1]');
    expect(() => expectSameShape('f', { x, y: tf.zeros([2, 3], 'bool') })).toThrow('got bool [2, 3]');
    expect(() => expectSameShape('f', { y: tf.zeros([2], 'int32'), x })).toThrow(
      'f: y must be float32 [2]; got int32 [2]',
    );
  });
});

test('a grid survives the way to the device and back, rounded to float32', async () => {
  const grid = gridOf([
    [1, 0.1],
    [-2, 1e-3],
    [3, Number.NaN],
  ]);
  const tensor = toTensor(grid);
  expect([tensor.shape, tensor.dtype]).toEqual([[3, 2], 'float32']);
  const back = await toGrid(tensor);
  expect(back).toEqual({ rows: 3, columns: 2, data: Float64Array.from(grid.data, Math.fround) });
  tensor.dispose();
  expect(() => toTensor({ ...grid, rows: 2 })).toThrow('toTensor: grid must be [2, 2] = 4 numbers; got 6 numbers');
  const scalar = tf.scalar(1);
  await expect(toGrid(scalar as unknown as tf.Tensor2D)).rejects.toThrow('toGrid: tensor must be float32 [B, T]');
  scalar.dispose();
});
