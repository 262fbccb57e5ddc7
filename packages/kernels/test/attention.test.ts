import { createRng } from '@tsrl/core';
import { forAll, maxError, type Tolerance } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createHeap } from '../src/arrays/heap.ts';
import { type AttentionSizes, instantiateAttention } from '../src/attention.ts';

const heap = createHeap();
const attention = instantiateAttention(heap);

/**
 * Sums of products of normal numbers, up to a few hundred long: each rounding is 6e-8 of a partial sum, which may be
 * larger than what is left of it.
 */
const tolerance: Tolerance = { absolute: 4e-6, relative: 2e-5 };

interface Numbers {
  readonly q: Float64Array;
  readonly k: Float64Array;
  readonly v: Float64Array;
  readonly dOut: Float64Array;
  readonly positions: readonly number[];
}

/** Float32 numbers in float64. */
function draw(sizes: AttentionSizes, seed: number, positions?: readonly number[]): Numbers {
  const rng = createRng(seed);
  const { batch, queries, length, heads, keyValueHeads, headSize } = sizes;
  const normal = (size: number): Float64Array => Float64Array.from({ length: size }, () => Math.fround(rng.normal()));
  const [q, dOut] = [normal(batch * queries * heads * headSize), normal(batch * queries * heads * headSize)];
  const [k, v] = [normal(batch * length * keyValueHeads * headSize), normal(batch * length * keyValueHeads * headSize)];
  return { q, k, v, dOut, positions: positions ?? Array(batch).fill(0) };
}

/** Attention and its gradients by the definition: every probability, every derivative of the softmax. */
function oracle(sizes: AttentionSizes, { q, k, v, dOut, positions }: Numbers) {
  const { batch, queries, length, heads, keyValueHeads, headSize: d, theta } = sizes;
  const turn = (x: Float64Array, at: number, position: number, sign: number): Float64Array => {
    const head = x.slice(at, at + d);
    if (theta === undefined) return head;
    return head.map((value, i) => {
      const j = i % (d / 2);
      const angle = sign * position * theta ** ((-2 * j) / d);
      const partner = i < d / 2 ? -(head[i + d / 2] as number) : (head[i - d / 2] as number);
      return value * Math.cos(angle) + partner * Math.sin(angle);
    });
  };
  const out = new Float64Array(q.length);
  const [dq, dk, dv] = [new Float64Array(q.length), new Float64Array(k.length), new Float64Array(v.length)];
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const g = Math.floor((h * keyValueHeads) / heads);
      const keyAt = (j: number): number => ((b * length + j) * keyValueHeads + g) * d;
      const keys = Array.from({ length }, (_, j) => turn(k, keyAt(j), j, 1));
      const dKeys = keys.map(() => new Float64Array(d));
      for (let i = 0; i < queries; i++) {
        const at = ((b * queries + i) * heads + h) * d;
        const position = positions[b]! + i;
        const query = turn(q, at, position, 1);
        const scores: number[] = [];
        for (let j = 0; j <= position; j++) {
          scores.push(query.reduce((sum, x, c) => sum + x * keys[j]![c]!, 0) / Math.sqrt(d));
        }
        const largest = Math.max(...scores);
        const total = scores.reduce((sum, s) => sum + Math.exp(s - largest), 0);
        const p = scores.map((s) => Math.exp(s - largest) / total);
        const dp = p.map((_, j) => {
          let sum = 0;
          for (let c = 0; c < d; c++) {
            out[at + c]! += p[j]! * v[keyAt(j) + c]!;
            dv[keyAt(j) + c]! += p[j]! * dOut[at + c]!;
            sum += dOut[at + c]! * v[keyAt(j) + c]!;
          }
          return sum;
        });
        const mean = p.reduce((sum, x, j) => sum + x * dp[j]!, 0);
        const dQuery = new Float64Array(d);
        for (let j = 0; j <= position; j++) {
          const dScore = (p[j]! * (dp[j]! - mean)) / Math.sqrt(d);
          for (let c = 0; c < d; c++) {
            dQuery[c]! += dScore * keys[j]![c]!;
            dKeys[j]![c]! += dScore * query[c]!;
          }
        }
        dq.set(turn(dQuery, 0, position, -1), at);
      }
      for (const [j, dKey] of dKeys.entries()) {
        for (const [c, value] of turn(dKey, 0, j, -1).entries()) dk[keyAt(j) + c]! += value;
      }
    }
  }
  return { out, dq, dk, dv };
}

/** The kernel on a packed projection [batch · length, heads + 2 keyValueHeads, headSize], or on queries of their own. */
function kernel(sizes: AttentionSizes, { q, k, v, dOut, positions }: Numbers, packed: boolean) {
  const { batch, queries, length, heads, keyValueHeads, headSize: d } = sizes;
  const [wide, narrow] = [heads * d, keyValueHeads * d];
  const kvStep = packed ? wide + 2 * narrow : 2 * narrow;
  const guard = 24;
  const place = (numbers: ArrayLike<number>): number => {
    const address = heap.allocate(4 * (numbers.length + 2 * guard));
    const view = new Float32Array(heap.memory.buffer, address, numbers.length + 2 * guard).fill(777);
    view.set(numbers, guard);
    return address + 4 * guard;
  };
  const rows = (parts: readonly (readonly [Float64Array, number])[], count: number): number[] =>
    Array.from({ length: count }, (_, row) =>
      parts.flatMap(([x, width]) => [...x.subarray(row * width, (row + 1) * width)]),
    ).flat();
  const kv: [Float64Array, number][] = [
    [k, narrow],
    [v, narrow],
  ];
  const kvNumbers = rows(packed ? [[q, wide], ...kv] : kv, batch * length);
  const kvAt = place(kvNumbers);
  const qAt = packed ? kvAt : place(q);
  const inputs = {
    q: qAt,
    qStep: packed ? kvStep : wide,
    kv: packed ? kvAt + 4 * wide : kvAt,
    kvStep,
    positions: place([]),
  };
  new Int32Array(heap.memory.buffer, inputs.positions, batch).set(positions);
  const empty = (size: number): number => place(new Float64Array(size).fill(555));
  const results = { out: empty(q.length), stats: empty(batch * queries * heads * 2) };
  attention.forward({ ...inputs, ...results, ...(packed ? { positions: undefined } : {}) }, sizes);
  const dkvAt = empty(kvNumbers.length);
  const dqAt = packed ? dkvAt : empty(q.length);
  attention.backward(
    {
      ...inputs,
      ...results,
      ...(packed ? { positions: undefined } : {}),
      dOut: place(dOut),
      dq: dqAt,
      dkv: packed ? dkvAt + 4 * wide : dkvAt,
    },
    sizes,
  );
  const read = (address: number, size: number): Float32Array =>
    new Float32Array(heap.memory.buffer, address, size).slice();
  for (const [at, size] of [
    [results.out, q.length],
    [results.stats, batch * queries * heads * 2],
    [dkvAt, kvNumbers.length],
    [dqAt, packed ? kvNumbers.length : q.length],
  ] as const) {
    expect(read(at - 4 * guard, guard).every((x) => x === 777)).toBe(true);
    expect(read(at + 4 * size, guard).every((x) => x === 777)).toBe(true);
  }
  const unpack = (from: Float32Array, step: number, start: number, width: number): Float32Array =>
    Float32Array.from(
      { length: (from.length / step) * width },
      (_, i) => from[Math.floor(i / width) * step + start + (i % width)] as number,
    );
  const dkv = read(dkvAt, kvNumbers.length);
  const skip = packed ? wide : 0;
  const gradients = {
    dq: packed ? unpack(dkv, kvStep, 0, wide) : read(dqAt, q.length),
    dk: unpack(dkv, kvStep, skip, narrow),
    dv: unpack(dkv, kvStep, skip + narrow, narrow),
  };
  return { out: read(results.out, q.length), ...gradients };
}

function expectRight(sizes: AttentionSizes, numbers: Numbers, packed: boolean): void {
  const [got, want] = [kernel(sizes, numbers, packed), oracle(sizes, numbers)];
  for (const name of ['out', 'dq', 'dk', 'dv'] as const) {
    expect([name, maxError(got[name], want[name], tolerance)]).toEqual([name, expect.toSatisfy((e: number) => e <= 1)]);
  }
}

const anySizes = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    length: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(63, 64, 65, 68)),
    group: fc.integer({ min: 1, max: 3 }),
    keyValueHeads: fc.integer({ min: 1, max: 3 }),
    headSize: fc.oneof(fc.integer({ min: 1, max: 18 }), fc.constantFrom(32, 33)),
    theta: fc.constantFrom(undefined, 10, 10_000),
  })
  .map(({ group, theta, headSize, ...rest }) => ({
    ...rest,
    queries: rest.length,
    heads: group * rest.keyValueHeads,
    headSize: theta === undefined ? headSize : 2 * Math.ceil(headSize / 2),
    theta,
  }));

describe('attention by tiles is the float64 oracle, forward and backward', () => {
  test('on packed projections of any size', () => {
    forAll([anySizes, fc.nat()], (sizes, seed) => expectRight(sizes, draw(sizes, seed), true), { runs: 60 });
  });

  test('on queries of their own, from any position on', () => {
    forAll(
      [anySizes, fc.nat(), fc.array(fc.nat(), { minLength: 3, maxLength: 3 }), fc.integer({ min: 1, max: 70 })],
      (all, seed, starts, queries) => {
        const sizes = { ...all, queries: Math.min(queries, all.length) };
        const positions = starts.slice(0, sizes.batch).map((start) => start % (sizes.length - sizes.queries + 1));
        expectRight(sizes, draw(sizes, seed, positions), false);
      },
      { runs: 60 },
    );
  });

  test.each([127, 128, 129, 300])('at length %i, of several blocks', (length) => {
    const sizes = { batch: 1, queries: length, length, heads: 2, keyValueHeads: 1, headSize: 24, theta: 500 };
    expectRight(sizes, draw(sizes, length), true);
  });
});

const causal: AttentionSizes = { batch: 1, queries: 11, length: 11, heads: 2, keyValueHeads: 1, headSize: 6, theta: 9 };

test('what is NaN or infinite stays in its future and in its head', () => {
  const clean = kernel(causal, draw(causal, 1), true);
  const width = causal.heads * causal.headSize;
  for (const [poison, at] of [
    [Number.NaN, 5],
    [Number.POSITIVE_INFINITY, 6],
    [Number.NEGATIVE_INFINITY, 10],
  ] as const) {
    const numbers = draw(causal, 1);
    numbers.k.fill(poison, at * 6, (at + 1) * 6);
    numbers.v.fill(poison, at * 6, (at + 1) * 6);
    const { out, dq } = kernel(causal, numbers, true);
    expect(out.slice(0, at * width)).toEqual(clean.out.slice(0, at * width));
    expect(dq.slice(0, at * width)).toEqual(clean.dq.slice(0, at * width));
    expect(out.slice(at * width).every(Number.isNaN)).toBe(true);
  }
  const numbers = draw(causal, 1);
  numbers.q.fill(Number.NaN, 4 * width, 4 * width + 6); // the first head of token 4
  const { out, dk, dv } = kernel(causal, numbers, true);
  for (let row = 0; row < 11; row++) {
    const [first, second] = [out.slice(row * width, row * width + 6), out.slice(row * width + 6, (row + 1) * width)];
    expect(first.every(Number.isNaN)).toBe(row === 4);
    expect(second).toEqual(clean.out.slice(row * width + 6, (row + 1) * width));
    for (const [gradient, before] of [
      [dk, clean.dk],
      [dv, clean.dv],
    ] as const) {
      const keys = gradient.slice(row * 6, (row + 1) * 6);
      if (row <= 4) expect(keys.every(Number.isNaN)).toBe(true);
      else expect(keys).toEqual(before.slice(row * 6, (row + 1) * 6));
    }
  }
});

test('scores of 1e5 and equal scores', () => {
  const sizes = { ...causal, theta: undefined };
  const numbers = draw(sizes, 2);
  // The largest score of each query is far above the others: its share is 1, and the output is its value.
  const big = { ...numbers, q: numbers.q.map((x) => 1e5 * x) };
  expect(maxError(kernel(sizes, big, true).out, oracle(sizes, big).out, tolerance)).toBeLessThanOrEqual(1);
  const flat = kernel(sizes, { ...numbers, k: numbers.k.fill(1) }, true).out;
  const mean = numbers.v.slice(0, 66).reduce((sum, x, i) => sum + (i % 6 === 2 ? x / 11 : 0), 0);
  expect(flat[10 * 12 + 2]).toBeCloseTo(mean, 6);
});

test('a position outside the keys gives NaN and no gradient, and leaves the other rows alone', () => {
  const sizes: AttentionSizes = { batch: 3, queries: 2, length: 5, heads: 2, keyValueHeads: 2, headSize: 4 };
  for (const outside of [-1, 4, 5, 2 ** 30, -(2 ** 31)]) {
    const { out, dq, dk, dv } = kernel(sizes, draw(sizes, 3, [1, outside, 3]), false);
    const want = oracle(sizes, { ...draw(sizes, 3, [1, 0, 3]) });
    const third = (x: ArrayLike<number>, i: number): number[] =>
      Array.from(x).slice((i * x.length) / 3, ((i + 1) * x.length) / 3);
    for (const i of [0, 2]) {
      for (const [got, right] of [
        [out, want.out],
        [dq, want.dq],
        [dk, want.dk],
        [dv, want.dv],
      ] as const) {
        expect(maxError(third(got, i), third(right, i), tolerance)).toBeLessThanOrEqual(1);
      }
    }
    expect(third(out, 1).every(Number.isNaN)).toBe(true);
    for (const gradient of [dq, dk, dv]) expect(third(gradient, 1).every((x) => x === 0)).toBe(true);
  }
});

test('empty batches and rows without a query are nothing', () => {
  const sizes = { ...causal, theta: undefined };
  for (const empty of [
    { ...sizes, batch: 0 },
    { ...sizes, queries: 0 },
    { ...sizes, queries: 0, length: 0 },
  ]) {
    const { out, dk } = kernel(empty, draw(empty, 4), false);
    expect(out).toHaveLength(0);
    expect(dk.every((x) => x === 0)).toBe(true);
  }
});
