import { createRng } from '@tsrl/core';
import { float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { adamW, addRows, gatherRows, matMul, rotate, sumOfSquares } from '../src/index.ts';

const sizes = fc.integer({ min: 0, max: 70 });

test('a step of AdamW is its formula', () => {
  forAll([sizes, fc.nat()], (size, seed) => {
    const rng = createRng(seed);
    const draw = (f = (): number => rng.normal()): Float32Array => Float32Array.from({ length: size }, f);
    const [m, v, grad, variable] = [draw(), draw(() => rng.uniform()), draw(), draw()];
    const factors = { beta1: 0.9, beta2: 0.99, scale: -0.01, root: 1.5, epsilon: 1e-6, shrink: -0.001 };
    const got = adamW({ m, v, grad, variable }, factors);
    const newM = Array.from(m, (x, i) => 0.9 * x + 0.1 * grad[i]!);
    const newV = Array.from(v, (x, i) => 0.99 * x + 0.01 * grad[i]! ** 2);
    const update = newM.map((x, i) => (-0.01 * x) / (1.5 * Math.sqrt(newV[i]!) + 1e-6) - 0.001 * variable[i]!);
    expect(maxError(got.m, newM, float32)).toBeLessThan(1);
    expect(maxError(got.v, newV, float32)).toBeLessThan(1);
    expect(maxError(got.update, update, float32)).toBeLessThan(1);
    const sum = grad.reduce((total, x) => total + x ** 2, 0);
    expect(maxError([sumOfSquares(grad)], [sum], float32)).toBeLessThan(1);
  });
  const x = new Float32Array(3);
  expect(() => adamW({ m: x, v: x, grad: x, variable: new Float32Array(2) }, {} as never)).toThrow(
    'adamW: variable must be 3 numbers; got 2 numbers',
  );
});

test('gathered rows are those of the table, and their gradient adds them up', () => {
  const table = Float32Array.of(1, 2, 3, 4, 5, 6);
  const rows = gatherRows(table, Int32Array.of(2, 0, 2), 2);
  expect([...rows]).toEqual([5, 6, 1, 2, 5, 6]);
  expect([...addRows(rows, Int32Array.of(2, 0, 2), 2, 3)]).toEqual([1, 2, 0, 0, 10, 12]);
  expect(() => gatherRows(table, Int32Array.of(0, 3), 2)).toThrow('gatherRows: ids[1] must be in [0, 3); got 3');
});

test('sizes that are no counts are refused before a kernel sees them', () => {
  const x = new Float32Array(4);
  expect(() => rotate({ x, length: 0, heads: 1, headSize: 2 })).toThrow(
    'rotate: length must be an integer, at least 1; got 0',
  );
  expect(() => rotate({ x, length: 1.5, heads: 1, headSize: 2 })).toThrow(
    'rotate: length must be an integer, at least 1; got 1.5',
  );
  expect(() => matMul({ a: x, b: x, m: -1, k: -4, n: -1 })).toThrow('matMul: m must be an integer, at least 0; got -1');
});
