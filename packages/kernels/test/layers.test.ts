import { createRng } from '@tsrl/core';
import { finiteDifference, float32, forAll, maxError, type Tolerance } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createHeap } from '../src/arrays/heap.ts';
import {
  activate,
  activateGradient,
  causalAttention,
  causalAttentionGradient,
  causalSoftmax,
  causalSoftmaxGradient,
  type Heap,
  instantiateLayers,
  layerNorm,
  layerNormGradient,
  rmsNorm,
  rmsNormGradient,
  rotaryTable,
  rotate,
  swiglu,
  swigluGradient,
} from '../src/index.ts';

const draw = (size: number, seed: number, scale = 1): Float32Array => {
  const rng = createRng(seed);
  return Float32Array.from({ length: size }, () => scale * rng.normal());
};
const wide = (x: ArrayLike<number>): Float64Array => Float64Array.from(x);
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, x, i) => sum + x * (b[i] as number), 0);

/** Sums over a row of up to 300 numbers of order one. */
const ofSums: Tolerance = { absolute: 4e-6, relative: 2e-5 };
const expectClose = (got: ArrayLike<number>, want: ArrayLike<number>, tolerance = float32): void =>
  expect(maxError(got, want, tolerance)).toBeLessThanOrEqual(1);
/** Some places of a large array, all of a small one. */
const placesOf = (length: number): number[] =>
  Array.from({ length: Math.min(length, 12) }, (_, i) => (length <= 12 ? i : (i * 7919 + 3) % length));

/** The gradient at some places, against differences of Σ dy f(x) in float64. */
function expectGradient(
  f: (x: Float64Array) => Float64Array,
  x: Float32Array,
  dy: Float32Array,
  gradient: Float32Array,
  tolerance: Tolerance = ofSums,
): void {
  expect(gradient).toHaveLength(x.length);
  const places = placesOf(x.length);
  const at = (moved: Float64Array): number => {
    const y = wide(x);
    for (const [i, place] of places.entries()) y[place] = moved[i]!;
    return dot(dy, f(y));
  };
  const want = finiteDifference(
    at,
    places.map((place) => x[place]!),
  );
  expectClose(
    places.map((place) => gradient[place]!),
    want,
    tolerance,
  );
}

const eachRow = (x: Float64Array, width: number, f: (row: Float64Array, i: number) => Float64Array): Float64Array => {
  const out = new Float64Array(x.length);
  for (let i = 0; i * width < x.length; i++) out.set(f(x.slice(i * width, (i + 1) * width), i), i * width);
  return out;
};
const mean = (x: Float64Array): number => x.reduce((sum, value) => sum + value, 0) / x.length;
const widths = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(127, 128, 129, 300));
const heights = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constantFrom(63, 64, 65, 130));

test('rmsNorm', () => {
  forAll(
    [heights, widths, fc.nat()],
    (rows, width, seed) => {
      const [x, weight, dy] = [draw(rows * width, seed, 2), draw(width, seed + 1), draw(rows * width, seed + 2)];
      const epsilon = 0.01;
      const norm = (x: Float64Array, weight: ArrayLike<number>): Float64Array =>
        eachRow(x, width, (row) => {
          const root = Math.sqrt(mean(row.map((value) => value * value)) + epsilon);
          return row.map((value, i) => (weight[i]! * value) / root);
        });
      const { y, scales } = rmsNorm({ x, weight, epsilon });
      expectClose(y, norm(wide(x), weight));
      const { dx, dWeight } = rmsNormGradient({ x, weight, scales, dy });
      expectGradient((moved) => norm(moved, weight), x, dy, dx);
      expectGradient((moved) => norm(wide(x), moved), weight, dy, dWeight, { absolute: 2e-5, relative: 2e-5 });
    },
    { runs: 40 },
  );
});

test('layerNorm', () => {
  forAll(
    [heights, widths, fc.nat()],
    (rows, width, seed) => {
      const [x, weight, bias] = [draw(rows * width, seed, 2), draw(width, seed + 1), draw(width, seed + 3)];
      const dy = draw(rows * width, seed + 2);
      const epsilon = 0.1;
      const norm = (x: Float64Array, weight: ArrayLike<number>, bias: ArrayLike<number>): Float64Array =>
        eachRow(x, width, (row) => {
          const m = mean(row);
          const root = Math.sqrt(mean(row.map((value) => (value - m) ** 2)) + epsilon);
          return row.map((value, i) => (weight[i]! * (value - m)) / root + bias[i]!);
        });
      const { y, stats } = layerNorm({ x, weight, bias, epsilon });
      expectClose(y, norm(wide(x), weight, bias), ofSums);
      const { dx, dWeight, dBias } = layerNormGradient({ x, weight, stats, dy });
      expectGradient((moved) => norm(moved, weight, bias), x, dy, dx, { absolute: 1e-5, relative: 2e-5 });
      expectGradient((moved) => norm(wide(x), moved, bias), weight, dy, dWeight, { absolute: 2e-5, relative: 2e-5 });
      expectGradient((moved) => norm(wide(x), weight, moved), bias, dy, dBias, { absolute: 2e-5, relative: 2e-5 });
    },
    { runs: 40 },
  );
});

test('a row of one number normalises to its sign, a constant row to the bias', () => {
  expectClose(rmsNorm({ x: Float32Array.of(3, -0.5), weight: Float32Array.of(2), epsilon: 0 }).y, [2, -2]);
  const { y } = layerNorm({ x: new Float32Array(5).fill(7), weight: draw(5, 1), bias: draw(5, 2) });
  expect(y).toEqual(draw(5, 2));
});

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const functions = {
  silu: (x: number) => x * sigmoid(x),
  geluTanh: (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  // Φ by Simpson's rule: 2000 steps from 0 are exact to 1e-13 for |x| <= 8.
  gelu(x: number): number {
    const [n, phi] = [2000, (t: number) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI)];
    let sum = phi(0) + phi(x);
    for (let i = 1; i < n; i++) sum += (i % 2 === 0 ? 2 : 4) * phi((i * x) / n);
    return x * (0.5 + (sum * x) / n / 3);
  },
};

describe.each(['silu', 'geluTanh', 'gelu'] as const)('%s', (kind) => {
  const f = functions[kind];

  test('is the definition, with its derivative', () => {
    forAll(
      [fc.integer({ min: 0, max: 13 }), fc.nat(), fc.constantFrom(0.01, 1, 3)],
      (n, seed, scale) => {
        const [x, dy] = [draw(n, seed, scale), draw(n, seed + 1)];
        expectClose(activate(x, kind), wide(x).map(f));
        expectGradient((moved) => moved.map(f), x, dy, activateGradient(x, dy, kind), float32);
      },
      { runs: 30 },
    );
  });

  test('is exact to 4e-7 relatively, down to the tail', () => {
    const x = Float32Array.from({ length: 601 }, (_, i) => (i - 300) / 60);
    expectClose(activate(x, kind), wide(x).map(f), { absolute: 1e-12, relative: kind === 'gelu' ? 1.2e-6 : 3e-6 });
  });

  test('is 0 or the line far out, and its slope 0 or 1; NaN stays NaN', () => {
    const x = Float32Array.of(1e30, -1e30, NaN, 0, 1e-40);
    const close = { absolute: 1e-38, relative: 2e-7 };
    expectClose(activate(x, kind), [Math.fround(1e30), 0, NaN, 0, 0], close);
    expectClose(activateGradient(x, new Float32Array(5).fill(2), kind), [2, 0, NaN, 1, 1], close);
  });
});

test('swiglu', () => {
  forAll(
    [fc.integer({ min: 0, max: 13 }), fc.nat()],
    (n, seed) => {
      const [gate, up, dy] = [draw(n, seed, 3), draw(n, seed + 1), draw(n, seed + 2)];
      expectClose(
        swiglu(gate, up),
        wide(gate).map((g, i) => functions.silu(g) * up[i]!),
      );
      const { dGate, dUp } = swigluGradient(gate, up, dy);
      expectGradient((g) => g.map((value, i) => functions.silu(value) * up[i]!), gate, dy, dGate);
      expectGradient((u) => u.map((value, i) => functions.silu(gate[i]!) * value), up, dy, dUp);
    },
    { runs: 40 },
  );
});

describe('rotate', () => {
  const options = { length: 5, heads: 2, headSize: 10, theta: 50 };

  test('is a product of complex numbers by a power of the position', () => {
    const x = draw(3 * 5 * 2 * 10, 1);
    const y = rotate({ x, ...options });
    const want = eachRow(wide(x), 10, (head, i) => {
      const position = Math.floor(i / 2) % 5;
      const out = head.slice();
      for (let c = 0; c < 5; c++) {
        const angle = position * 50 ** (-c / 5);
        out[c] = head[c]! * Math.cos(angle) - head[c + 5]! * Math.sin(angle);
        out[c + 5] = head[c]! * Math.sin(angle) + head[c + 5]! * Math.cos(angle);
      }
      return out;
    });
    expectClose(y, want);
    expectClose(rotate({ x: y, ...options, backwards: true }), x);
  });

  test('scores depend on the distance alone', () => {
    forAll([fc.nat(30), fc.nat(30), fc.nat(30), fc.nat()], (a, b, shift, seed) => {
      const [q, k] = [draw(8, seed), draw(8, seed + 1)];
      const at = (x: Float32Array, position: number): Float32Array => {
        const all = new Float32Array(61 * 8);
        all.set(x, position * 8);
        return rotate({ x: all, length: 61, heads: 1, headSize: 8 }).slice(position * 8, position * 8 + 8);
      };
      expect(dot(at(q, a + shift), at(k, b + shift))).toBeCloseTo(dot(at(q, a), at(k, b)), 4);
    });
  });

  test('tables grow with the length and stay what they were', () => {
    const short = rotaryTable(77, 6, 3).slice();
    const long = rotaryTable(77, 6, 10);
    expect(long.slice(0, 18)).toEqual(short);
    expect(rotaryTable(77, 6, 2)).toEqual(short.slice(0, 12));
    for (let theta = 100; theta < 110; theta++) rotaryTable(theta, 6, 3);
    expect(rotaryTable(77, 6, 3)).toEqual(short);
  });
});

test('causalSoftmax', () => {
  forAll(
    [fc.integer({ min: 0, max: 3 }), fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(63, 64, 65)), fc.nat()],
    (matrices, length, seed) => {
      const [x, dy] = [draw(matrices * length ** 2, seed, 3), draw(matrices * length ** 2, seed + 1)];
      const softmax = (scores: Float64Array): Float64Array =>
        eachRow(scores, length, (row, i) => {
          const e = row.map((s, j) => (j <= i % length ? Math.exp(s) : 0));
          return e.map((value) => value / (mean(e) * length));
        });
      const y = causalSoftmax(x, length);
      expectClose(y, softmax(wide(x)));
      expectGradient(softmax, x, dy, causalSoftmaxGradient(y, dy, length), float32);
      for (let i = 0; i < x.length; i++) if (i % length > Math.floor(i / length) % length) expect(y[i]).toBe(0);
    },
    { runs: 30 },
  );
  const odd = causalSoftmax(Float32Array.of(NaN, 1, 2, -Infinity, 0, NaN, 1e5, NaN, 2), 3);
  expect(Array.from(odd)).toEqual([NaN, 0, 0, 0, 1, 0, NaN, NaN, NaN]);
});

test('causalAttention over arrays gives what its parts give', () => {
  const sizes = { batch: 2, length: 9, heads: 1, keyValueHeads: 1, headSize: 4, theta: 20 };
  const [qkv, dy] = [draw(2 * 9 * 12, 1), draw(2 * 9 * 4, 2)];
  const part = (of: number): Float32Array =>
    Float32Array.from({ length: 2 * 9 * 4 }, (_, i) => qkv[Math.floor(i / 4) * 12 + 4 * of + (i % 4)]!);
  const turned = (x: Float32Array): Float32Array => rotate({ x, length: 9, heads: 1, headSize: 4, theta: 20 });
  const [q, k, v] = [turned(part(0)), turned(part(1)), part(2)];
  const scores = Float32Array.from({ length: 2 * 81 }, (_, at) => {
    const [b, i, j] = [Math.floor(at / 81), Math.floor(at / 9) % 9, at % 9];
    return dot(q.slice(4 * (9 * b + i), 4 * (9 * b + i + 1)), k.slice(4 * (9 * b + j), 4 * (9 * b + j + 1))) / 2;
  });
  const shares = causalSoftmax(scores, 9);
  const { out, stats } = causalAttention({ qkv, ...sizes });
  const want = Float64Array.from({ length: out.length }, (_, at) => {
    const [row, c] = [Math.floor(at / 4), at % 4];
    const first = Math.floor(row / 9) * 9;
    return Array.from({ length: 9 }, (_, j) => shares[row * 9 + j]! * v[4 * (first + j) + c]!).reduce(
      (a, x) => a + x,
      0,
    );
  });
  expectClose(out, want, ofSums);
  const gradient = causalAttentionGradient({ qkv, ...sizes, out, stats, dy });
  // Along a direction: the loss of the kernel itself, differenced in steps that float32 can see.
  const direction = draw(qkv.length, 3);
  const loss = (step: number): number =>
    dot(dy, causalAttention({ qkv: qkv.map((x, i) => x + step * direction[i]!), ...sizes }).out);
  expect(dot(gradient, direction)).toBeCloseTo((loss(0.01) - loss(-0.01)) / 0.02, 2);
});

test('a kernel writes its results and nothing beside them, in a heap that grows at every turn', () => {
  const { memory, allocate, free } = createHeap();
  let grown = 0;
  const heap: Heap = {
    memory,
    allocate(bytes) {
      (memory as unknown as { grow(pages: number): void }).grow(1);
      grown++;
      return allocate(bytes);
    },
    free,
  };
  const layers = instantiateLayers(heap);
  const [rows, width, guard] = [67, 5, 16];
  const n = rows * width;
  const place = (numbers: Float32Array): number => {
    const address = heap.allocate(4 * (numbers.length + 2 * guard)) + 4 * guard;
    new Float32Array(memory.buffer, address - 4 * guard, numbers.length + 2 * guard).fill(99);
    new Float32Array(memory.buffer, address, numbers.length).set(numbers);
    return address;
  };
  const [x, weight, dy] = [draw(n, 1), draw(width, 2), draw(n, 3)];
  const at = { x: place(x), weight: place(weight), dy: place(dy), scales: place(new Float32Array(rows)) };
  const results = {
    y: place(new Float32Array(n)),
    dx: place(new Float32Array(n)),
    dWeight: place(new Float32Array(width)),
  };
  layers.rmsNorm({ ...at, ...results }, { rows, width, epsilon: 1e-5 });
  layers.rmsNormGradient({ ...at, ...results }, { rows, width });
  layers.rotate({ x: results.dx, y: at.dy }, { rows: n / 2 - 0.5, length: 7, heads: 1, headSize: 2, theta: 3 }, false);
  const { y, scales } = rmsNorm({ x, weight });
  const { dWeight } = rmsNormGradient({ x, weight, scales, dy });
  const read = (address: number, length: number): Float32Array =>
    new Float32Array(memory.buffer, address, length).slice();
  expect(read(results.y, n)).toEqual(y);
  expect(read(results.dWeight, width)).toEqual(dWeight);
  for (const [address, length] of [
    [at.x, n],
    [at.weight, width],
    [at.dy, n],
    [at.scales, rows],
    [results.y, n],
    [results.dx, n],
    [results.dWeight, width],
  ] as const) {
    expect(read(address - 4 * guard, guard).every((value) => value === 99)).toBe(true);
    expect(read(address + 4 * length, guard).every((value) => value === 99)).toBe(true);
  }
  expect(grown).toBeGreaterThan(8);
});

describe('what does not fit is said', () => {
  const x = new Float32Array(6);
  const sizes = { batch: 1, length: 2, heads: 1, keyValueHeads: 1, headSize: 1 };
  test.each<[string, () => unknown]>([
    ['rmsNorm: x must be [rows, 4], as wide as weight; got 6 numbers', () => rmsNorm({ x, weight: x.slice(2) })],
    ['rmsNorm: epsilon must be finite, at least 0; got -1', () => rmsNorm({ x, weight: x, epsilon: -1 })],
    [
      'rmsNormGradient: scales must be 1 numbers; got 6 numbers',
      () => rmsNormGradient({ x, weight: x, scales: x, dy: x }),
    ],
    ['layerNorm: bias must be 6 numbers; got 5 numbers', () => layerNorm({ x, weight: x, bias: x.slice(1) })],
    ['activate: kind must be one of silu, geluTanh, gelu; got "relu"', () => activate(x, 'relu' as 'silu')],
    ['swiglu: up must be 6 numbers; got 5 numbers', () => swiglu(x, x.slice(1))],
    ['rotate: theta must be positive; got 0', () => rotate({ x, length: 1, heads: 1, headSize: 2, theta: 0 })],
    ['rotate: headSize must be even; got 3', () => rotate({ x, length: 1, heads: 1, headSize: 3 })],
    ['rotate: x must be [rows, 2, 2]; got 6 numbers', () => rotate({ x, length: 1, heads: 2, headSize: 2 })],
    ['causalSoftmax: scores must be [..., 2, 2]; got 6 numbers', () => causalSoftmax(x, 2)],
    [
      'causalAttention: qkv must be [1, 2, 3, 2]; got 6 numbers',
      () => causalAttention({ qkv: x, ...sizes, headSize: 2 }),
    ],
    [
      'causalAttention: heads must be an integer, at least 1; got 0',
      () => causalAttention({ qkv: x, ...sizes, heads: 0 }),
    ],
    [
      'causalAttention: keyValueHeads must be a divisor of 1; got 2',
      () => causalAttention({ qkv: x, ...sizes, keyValueHeads: 2 }),
    ],
    [
      'causalAttention: headSize must be even, to turn halves; got 1',
      () => causalAttention({ qkv: x, ...sizes, theta: 9 }),
    ],
    [
      'causalAttentionGradient: dy must be 2 numbers; got 6 numbers',
      () => causalAttentionGradient({ qkv: x, ...sizes, out: x.slice(4), stats: x.slice(2), dy: x }),
    ],
  ])('%s', (message, run) => {
    expect(run).toThrow(message);
  });
});
