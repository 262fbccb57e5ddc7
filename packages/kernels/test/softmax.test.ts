import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createRng, isTsrlError } from '@tsrl/core';
import { finiteDifference, forAll, maxError } from '@tsrl/testing';
import { buildSync } from 'esbuild';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createHeap, floatsAt, privateHeap, withRoom } from '../src/arrays/heap.ts';
import {
  type Heap,
  instantiateSoftmax,
  type Softmax,
  type SoftmaxGradient,
  selectiveLogSoftmax,
  selectiveLogSoftmaxGradient,
  type TokenGradients,
  type TokenSlopes,
  tokenGradients,
} from '../src/index.ts';
import { hasRightSoftmax } from '../src/softmax-probe.ts';
import { gradientOf, type Rows, statisticsOf } from './softmax-oracle.ts';

// The types of Node 20 know WebAssembly only as a namespace.
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: boolean }) => Heap['memory'];
};

/** The largest error in units of its bound; NaN agrees with NaN, an infinity with itself, and 0 with no other number. */
function worst(got: ArrayLike<number>, want: ArrayLike<number>, bound: (i: number) => number): number {
  expect(got.length).toBe(want.length);
  let most = 0;
  for (let i = 0; i < want.length; i++) {
    const [a, b] = [got[i]!, want[i]!];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    const error = Math.abs(a - b) / bound(i);
    most = Number.isNaN(error) ? Infinity : Math.max(most, error);
  }
  return most;
}

/** A p below 2⁻¹²⁶, the least normal number of float32, is 0 for the kernels, and its terms with it. */
const gradientBound = (sizes: Float64Array) => (i: number) => 1e-35 + 1e-6 * sizes[i]!;
const statisticsBound = (want: readonly number[]) => (i: number) => 1e-6 + 1e-7 * Math.abs(want[i]!);

interface Case extends Rows {
  readonly x: Float32Array;
  readonly ids: Int32Array;
  readonly chosen: number;
  readonly rows: number;
  readonly seed: number;
}

const sizes = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 4095, max: 4100 }), fc.constant(8193));
const cases = fc.record({
  size: sizes,
  rows: fc.constantFrom(0, 1, 2, 3, 7),
  chosen: fc.constantFrom(0, 1, 1, 3),
  temperature: fc.constantFrom(0.5, 1, 1, 2),
  ignoreId: fc.constantFrom(-100, 0),
  entropy: fc.boolean(),
  masked: fc.constantFrom(0, 0, 0.3, 1),
  spread: fc.constantFrom(1, 5, 40),
  seed: fc.nat(),
});

/** Numbers by the seed, so that a counterexample is short. */
function build({ masked, spread, ...rest }: typeof cases extends fc.Arbitrary<infer T> ? T : never): Case {
  const rng = createRng(rest.seed);
  const x = Float32Array.from({ length: rest.rows * rest.size }, () =>
    rng.uniform() < masked ? -Infinity : rng.normal() * spread,
  );
  const strange = [-1, rest.size, rest.size + 7, -100, 2 ** 31 - 1, -(2 ** 31)];
  const ids = Int32Array.from({ length: rest.rows * rest.chosen }, () =>
    Math.floor(rng.uniform() < 0.2 ? strange[Math.floor(rng.uniform() * strange.length)]! : rng.uniform() * rest.size),
  );
  return { ...rest, x, ids };
}

const call = ({ x, ...rest }: Case) => ({ ...rest, logits: x });
const draw = (length: number, seed: number): Float32Array => {
  const rng = createRng(seed);
  return Float32Array.from({ length }, () => rng.normal());
};

describe('selectiveLogSoftmax', () => {
  test('is the log-softmax at the ids, its normalizer and its entropy', () => {
    forAll([cases], (drawn) => {
      const c = build(drawn);
      const { statistics, top } = selectiveLogSoftmax(call(c));
      const want = statisticsOf(c);
      expect(worst(statistics, want, statisticsBound(want))).toBeLessThan(1);
      for (let r = 0; r < c.rows; r++) {
        const m = Math.max(...c.x.subarray(r * c.size, (r + 1) * c.size), Math.fround(-3e38));
        expect(top[2 * r]).toBe(m);
        const normalizer = want[(r + 1) * (c.chosen + (c.entropy ? 2 : 1)) - (c.entropy ? 2 : 1)]!;
        const logSum = normalizer === -Infinity ? 0 : normalizer - m / c.temperature;
        expect(Math.abs(top[2 * r + 1]! - logSum)).toBeLessThan(1e-6);
      }
    });
  });

  test('its gradient is that of the definition, which is that of finite differences', () => {
    forAll([cases], (drawn) => {
      const c = build(drawn);
      const forward = selectiveLogSoftmax(call(c));
      const dy = draw(forward.statistics.length, c.seed + 1);
      const gradient = selectiveLogSoftmaxGradient({ ...call(c), ...forward, dy });
      if (c.rows === 0) return expect(gradient.length).toBe(0);
      const { values, sizes } = gradientOf(c, dy);
      expect(worst(gradient, values, gradientBound(sizes))).toBeLessThan(1);
      if (c.x.length > 40 || c.x.includes(-Infinity)) return;
      const f = (x: Float64Array): number =>
        statisticsOf({ ...c, x }).reduce((sum, s, i) => (Number.isNaN(s) ? sum : sum + s * dy[i]!), 0);
      expect(maxError(values, finiteDifference(f, c.x), { absolute: 1e-8, relative: 1e-6 })).toBeLessThan(1);
    });
  });

  test.each([32000, 140001])('a vocabulary of %i, over several tiles, within the aim', (size) => {
    const rows = 5;
    const x = draw(rows * size, 1).map((value) => value * 3);
    const ids = Int32Array.from({ length: rows }, (_, r) => r * 6007 + 1);
    const c = { x, size, ids, temperature: 1, ignoreId: -100, entropy: true };
    const forward = selectiveLogSoftmax({ ...c, logits: x });
    const want = statisticsOf(c);
    expect(worst(forward.statistics, want, () => 2e-6)).toBeLessThan(1);
    const dy = draw(rows * 3, 2);
    const { values, sizes } = gradientOf(c, dy);
    const gradient = selectiveLogSoftmaxGradient({ ...c, logits: x, ...forward, dy });
    expect(worst(gradient, values, gradientBound(sizes))).toBeLessThan(1);
  });

  test('logits of 1e5 keep their digits', () => {
    const x = Float32Array.of(1e5, 1e5 - 1, -1e5, 1e5, 99999.5, 0, -1e5, -1e5 + 2);
    const c = { x, size: 4, ids: Int32Array.of(1, 3), temperature: 1, ignoreId: -100, entropy: true };
    const forward = selectiveLogSoftmax({ ...c, logits: x });
    const want = statisticsOf(c);
    expect(worst(forward.statistics, want, (i) => 4e-7 + 1e-7 * Math.abs(want[i]!))).toBeLessThan(1);
    const dy = Float32Array.of(1, 0, 0.5, -2, 1, 0);
    const { values, sizes } = gradientOf(c, dy);
    const gradient = selectiveLogSoftmaxGradient({ ...c, logits: x, ...forward, dy });
    expect(worst(gradient, values, gradientBound(sizes))).toBeLessThan(1);
  });

  test('certain and uniform distributions are exact', () => {
    const one = selectiveLogSoftmax({
      logits: Float32Array.of(1e4, -3),
      size: 1,
      ids: Int32Array.of(0, 0),
      entropy: true,
    });
    expect([...one.statistics]).toEqual([0, 1e4, 0, 0, -3, 0]);
    const even = selectiveLogSoftmax({ logits: new Float32Array(64), size: 64, ids: Int32Array.of(7), entropy: true });
    const log64 = Math.fround(Math.log(64));
    expect([...even.statistics]).toEqual([-log64, log64, log64]);
  });

  test('a row of −∞ has probabilities 0; masking changes nothing of the rest', () => {
    const none = new Float32Array(20).fill(-Infinity);
    const c = { logits: none, size: 20, ids: Int32Array.of(3), entropy: true };
    const forward = selectiveLogSoftmax(c);
    expect([...forward.statistics]).toEqual([-Infinity, -Infinity, 0]);
    expect([...forward.top]).toEqual([Math.fround(-3e38), 0]);
    const gradient = selectiveLogSoftmaxGradient({ ...c, ...forward, dy: Float32Array.of(0, 1, 1) });
    expect([...gradient]).toEqual(Array(20).fill(0));
  });

  test.each([0, 5, 16, 36])('a NaN at %i of 37 makes its row NaN, and no other', (at) => {
    for (const bits of [0x7fc00000, 0xffc00000, 0x7fc00001, 0x7fffffff]) {
      const logits = draw(3 * 37, 3);
      new Uint32Array(logits.buffer)[37 + at] = bits;
      const c = { logits, size: 37, ids: Int32Array.of(0, 1, 2), entropy: true };
      const forward = selectiveLogSoftmax(c);
      expect([...forward.statistics.subarray(3, 6)]).toEqual([NaN, NaN, NaN]);
      expect([...forward.statistics.subarray(0, 3), ...forward.statistics.subarray(6)].some(Number.isNaN)).toBe(false);
      const gradient = selectiveLogSoftmaxGradient({
        ...c,
        ...forward,
        dy: new Float32Array(9).fill(0.5).map((v, i) => v * (i % 3)),
      });
      expect(gradient.map(Number.isNaN as unknown as (value: number) => number).reduce((a, b) => a + b)).toBe(37);
      expect([...gradient.subarray(37, 74)].every(Number.isNaN)).toBe(true);
    }
  });

  test('where nothing flows back, nothing does, whatever the logits are', () => {
    const logits = Float32Array.of(NaN, 1, 2);
    const c = { logits, size: 3, ids: Int32Array.of(-100) };
    const forward = selectiveLogSoftmax(c);
    const gradient = selectiveLogSoftmaxGradient({ ...c, ...forward, dy: Float32Array.of(5, 0) });
    expect([...gradient]).toEqual([0, 0, 0]);
  });
});

/** The slopes of the clipped surrogate with entropy bonus; the columns are old log-prob, advantage and weight. */
const surrogate: TokenSlopes = (logProb, entropy, columns, offset, out) => {
  const [old, advantage, weight] = columns.subarray(offset, offset + 3) as unknown as [number, number, number];
  const ratio = Math.exp(logProb - old);
  const flat = advantage > 0 ? ratio > 1.2 : ratio < 0.8;
  out[0] = flat ? 0 : -weight * advantage * ratio;
  if (!Number.isNaN(entropy)) out[1] = -0.01 * weight;
};

const finite = (value: number): number => (Number.isFinite(value) ? value : 0);

describe('tokenGradients', () => {
  test('is the gradient of the loss, as the two other kernels have it', () => {
    forAll([cases], (drawn) => {
      const c = build({ ...drawn, chosen: 1 });
      const separate = selectiveLogSoftmax(call(c));
      const perRow = c.entropy ? 3 : 2;
      const columns = draw(c.rows * 3, c.seed + 2);
      for (let r = 0; r < c.rows; r++)
        columns[3 * r]! = 0.3 * columns[3 * r]! + finite(separate.statistics[r * perRow]!);
      const { statistics, gradient } = tokenGradients({ ...call(c), columns, slopes: surrogate });
      const dy = new Float32Array(c.rows * perRow);
      for (let r = 0; r < c.rows; r++) {
        const ignored = c.ids[r] === c.ignoreId;
        const seen = [0, perRow - 1].slice(0, c.entropy ? 2 : 1).map((i) => separate.statistics[r * perRow + i]!);
        const got = [...statistics.subarray(r * seen.length, (r + 1) * seen.length)];
        expect(got).toEqual(ignored ? seen.map(() => 0) : seen);
        if (ignored) continue;
        const out = new Float64Array(2);
        surrogate(seen[0]!, seen[1] ?? NaN, columns, 3 * r, out);
        dy[r * perRow] = out[0]!;
        if (c.entropy) dy[r * perRow + 2] = out[1]!;
      }
      if (c.rows === 0) return;
      const { values, sizes } = gradientOf(c, dy);
      expect(worst(gradient, values, gradientBound(sizes))).toBeLessThan(1);
      const twice = selectiveLogSoftmaxGradient({ ...call(c), ...separate, dy });
      expect(worst(gradient, twice, gradientBound(sizes))).toBeLessThan(1);
    });
  });

  test('the slopes see the row, are 0 unless set, and are not asked for an ignored id', () => {
    const seen: number[][] = [];
    const { statistics, gradient } = tokenGradients({
      logits: Float32Array.of(0, 0, 0, 0, 0, 0, NaN, 0),
      size: 2,
      ids: Int32Array.of(1, 0, 2, -100),
      columns: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      entropy: true,
      slopes: (logProb, entropy, columns, offset, out) => {
        seen.push([logProb, entropy, columns[offset]!, columns[offset + 1]!, out[0]!, out[1]!]);
        if (seen.length === 1) out.set([1, 3]);
        if (seen.length === 3) out[0] = 9;
      },
    });
    const ln2 = Math.fround(Math.LN2);
    expect(seen).toEqual([
      [-ln2, ln2, 1, 2, 0, 0],
      [-ln2, ln2, 3, 4, 0, 0],
      [NaN, ln2, 5, 6, 0, 0],
    ]);
    expect([...statistics]).toEqual([-ln2, ln2, -ln2, ln2, NaN, ln2, 0, 0]);
    expect([...gradient].map((value) => value + 0)).toEqual([-0.5, 0.5, 0, 0, 0, 0, 0, 0]);
  });

  test('many rows pass in tiles, each with its columns', () => {
    const [rows, size] = [301, 1000];
    const x = draw(rows * size, 4);
    const ids = Int32Array.from({ length: rows }, (_, r) => (r * 31) % size);
    const columns = Float32Array.from({ length: rows }, (_, r) => r / 100);
    const slopes: TokenSlopes = (_lp, _h, all, offset, out) => {
      out[0] = all[offset]!;
    };
    const { gradient } = tokenGradients({ logits: x, size, ids, columns, slopes });
    const c = { x, size, ids, temperature: 1, ignoreId: -100, entropy: false };
    const { values, sizes } = gradientOf(
      c,
      [...columns].flatMap((g) => [g, 0]),
    );
    expect(worst(gradient, values, gradientBound(sizes))).toBeLessThan(1);
  });
});

test('say what is wrong', () => {
  const good = { logits: new Float32Array(6), size: 3, ids: new Int32Array(2) };
  const gradient = { ...good, statistics: new Float32Array(4), top: new Float32Array(4), dy: new Float32Array(4) };
  const token = { ...good, columns: new Float32Array(2), slopes: surrogate };
  const sayings: [() => unknown, string][] = [
    [
      () => selectiveLogSoftmax({ ...good, size: 4 }),
      'selectiveLogSoftmax: logits must be rows of 4 numbers; got 6 numbers',
    ],
    [() => selectiveLogSoftmax({ ...good, size: 0 }), 'selectiveLogSoftmax: size must be a positive integer; got 0'],
    [
      () => selectiveLogSoftmax({ ...good, temperature: 0 }),
      'selectiveLogSoftmax: temperature must be positive and finite; got 0',
    ],
    [
      () => selectiveLogSoftmax({ ...good, ids: new Int32Array(3) }),
      'selectiveLogSoftmax: ids must be 2 rows of 0 or more numbers each; got 3 numbers',
    ],
    [
      () => selectiveLogSoftmaxGradient({ ...gradient, entropy: true }),
      'selectiveLogSoftmaxGradient: statistics must be [2, 3]; got 4 numbers',
    ],
    [
      () => selectiveLogSoftmaxGradient({ ...gradient, top: new Float32Array(2) }),
      'selectiveLogSoftmaxGradient: top must be [2, 2]; got 2 numbers',
    ],
    [() => tokenGradients({ ...token, ids: new Int32Array(4) }), 'tokenGradients: ids must be [2, 1]; got 4 numbers'],
    [
      () => tokenGradients({ ...token, columns: new Float32Array(0) }),
      'tokenGradients: columns must be 2 rows of 1 or more numbers each; got 0 numbers',
    ],
  ];
  for (const [act, saying] of sayings) expect(act).toThrow(saying);
});

describe('in a heap', () => {
  test('nothing but the outputs is written, at any place of four bytes', () => {
    const heap = createHeap();
    const softmax = instantiateSoftmax(heap);
    const guard = 12345;
    forAll([cases, fc.nat(3)], (drawn, shift) => {
      const c = build({ ...drawn, size: drawn.size % 71 || 1 });
      const perRow = c.chosen + (c.entropy ? 2 : 1);
      const forward = selectiveLogSoftmax(call(c));
      const dy = draw(c.rows * perRow, 5);
      const gradient = selectiveLogSoftmaxGradient({ ...call(c), ...forward, dy });
      const lengths = [c.x.length, c.ids.length, c.rows * perRow, c.rows * 2, c.rows * perRow, c.x.length];
      const total = shift + lengths.reduce((sum, n) => sum + n + 1, 1);
      const address = heap.allocate(4 * total);
      const all = new Float32Array(heap.memory.buffer, address, total).fill(guard);
      let next = shift + 1;
      const starts = lengths.map((n) => {
        next += n + 1;
        return next - n - 1;
      });
      const part = (i: number): Float32Array => all.subarray(starts[i]!, starts[i]! + lengths[i]!);
      part(0).set(c.x);
      new Int32Array(heap.memory.buffer, address + 4 * starts[1]!, c.ids.length).set(c.ids);
      part(4).set(dy);
      const [logits, ids, statistics, top, dyAt, out] = starts.map((at) => address + 4 * at) as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      const where = { ...c, logits, ids, statistics, top };
      softmax.selectiveLogSoftmax(where);
      softmax.selectiveLogSoftmaxGradient({ ...where, dy: dyAt, gradient: out });
      expect([[...part(0)], [...part(2)], [...part(3)], [...part(5)]]).toEqual([
        [...c.x],
        [...forward.statistics],
        [...forward.top],
        [...gradient],
      ]);
      const guards = [...all.subarray(0, shift + 1), ...starts.map((at, i) => all[at + lengths[i]!])];
      expect(guards.every((value) => value === guard)).toBe(true);
      heap.free(address);
    });
  });

  test('a gradient in the place of the logits is the same to the last bit, also when the memory grows', () => {
    const heap = createHeap();
    const memory = heap.memory as Heap['memory'] & { grow(pages: number): number };
    const softmax = instantiateSoftmax(heap);
    const some = { broken: fc.constantFrom(0, 0, 0.5), still: fc.constantFrom(0, 0.4), grows: fc.boolean() };
    forAll([cases, fc.record(some)], (drawn, { broken, still, grows }) => {
      const c = build({ ...drawn, chosen: 1 });
      const { rows, size } = c;
      const rng = createRng(c.seed + 7);
      for (let row = 0; row < rows; row++) {
        if (rng.uniform() < broken) c.x[row * size + Math.floor(rng.uniform() * size)] = Number.NaN;
      }
      const columns = draw(2 * rows, c.seed + 8).map((slope) => (rng.uniform() < still ? 0 : slope));
      const seen: number[][] = [[], []];
      const results = [false, true].map((inPlace, i) => {
        const [x, gradient, ids, columnsAt] = [0, rows * size, 2 * rows * size, (2 * size + 1) * rows];
        const statistics = columnsAt + 2 * rows;
        const total = statistics + 2 * rows;
        const address = heap.allocate(4 * total);
        const at = (index: number): number => address + 4 * index;
        const numbers = () => new Float32Array(heap.memory.buffer, address, total);
        numbers().fill(12345);
        numbers().set(c.x, x);
        numbers().set(columns, columnsAt);
        new Int32Array(heap.memory.buffer, at(ids), rows).set(c.ids);
        softmax.tokenGradients({
          ...{ rows, size, width: 2, temperature: c.temperature, ignoreId: c.ignoreId, entropy: c.entropy },
          ...{ logits: at(x), ids: at(ids), columns: at(columnsAt), statistics: at(statistics) },
          gradient: at(inPlace ? x : gradient),
          slopes: (logProb, entropy, values, offset, out) => {
            seen[i]!.push(logProb, entropy);
            out.set(values.subarray(offset, offset + 2));
            if (grows) memory.grow(1);
          },
        });
        const where = inPlace ? x : gradient;
        const got = [...numbers().subarray(where, where + rows * size), ...numbers().subarray(statistics)];
        if (inPlace)
          expect(
            numbers()
              .subarray(gradient, ids)
              .every((value) => value === 12345),
          ).toBe(true);
        heap.free(address);
        return got;
      });
      expect(seen[1]).toEqual(seen[0]);
      expect(results[1]).toEqual(results[0]);
    });
  });

  test('a callback during which the memory grows', () => {
    const heap = createHeap();
    const softmax = instantiateSoftmax(heap);
    const [rows, size] = [3, 19];
    const address = heap.allocate(4 * (2 * rows * size + 3 * rows));
    const numbers = () => new Float32Array(heap.memory.buffer, address, 2 * rows * size + 3 * rows);
    const x = draw(rows * size, 6);
    numbers().set(x);
    numbers().set([1, 2, 3], 2 * rows * size);
    const at = (index: number): number => address + 4 * index;
    new Int32Array(heap.memory.buffer, at(2 * rows * size + rows), rows).set([4, 5, 6]);
    let buffers = new Set<ArrayBufferLike>();
    softmax.tokenGradients({
      logits: address,
      gradient: at(rows * size),
      columns: at(2 * rows * size),
      ids: at(2 * rows * size + rows),
      statistics: at(2 * rows * size + 2 * rows),
      ...{ rows, size, width: 1, temperature: 1, ignoreId: -100, entropy: false },
      slopes: (_lp, _h, columns, offset, out) => {
        out[0] = columns[offset]!;
        heap.free(heap.allocate(heap.memory.buffer.byteLength));
        buffers = buffers.add(heap.memory.buffer);
      },
    });
    expect(buffers.size).toBe(3);
    const c = { x, size, ids: [4, 5, 6], temperature: 1, ignoreId: -100, entropy: false };
    const { values, sizes } = gradientOf(c, [1, 0, 2, 0, 3, 0]);
    const want = statisticsOf(c).filter((_, i) => i % 2 === 0);
    expect(worst(numbers().subarray(rows * size, 2 * rows * size), values, gradientBound(sizes))).toBeLessThan(1);
    expect(worst(numbers().subarray(-rows), want, statisticsBound(want))).toBeLessThan(1);
  });

  test('the probe sees every kind of wrong number', () => {
    const heap = createHeap();
    const right = instantiateSoftmax(heap);
    type Call = SoftmaxGradient & TokenGradients;
    const ruined = (name: keyof Softmax, address: (call: Call) => number): Softmax => ({
      ...right,
      [name]: (call: Call) => {
        right[name](call);
        new Float32Array(heap.memory.buffer, address(call), 1)[0]! += 1e-4;
      },
    });
    const wrong = [
      ruined('selectiveLogSoftmax', (c) => c.statistics),
      ruined('selectiveLogSoftmax', (c) => c.statistics + 4),
      ruined('selectiveLogSoftmax', (c) => c.statistics + 8),
      ruined('selectiveLogSoftmax', (c) => c.top + 4),
      ruined('selectiveLogSoftmaxGradient', (c) => c.gradient + 80),
      ruined('tokenGradients', (c) => c.gradient),
      { ...right, selectiveLogSoftmaxGradient: () => {} },
      { ...right, tokenGradients: () => {} },
    ];
    expect(hasRightSoftmax(right, heap)).toBe(true);
    expect(wrong.map((softmax) => hasRightSoftmax(softmax, heap))).toEqual(wrong.map(() => false));
  });

  test('a memory that is shared is refused', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const make = () => instantiateSoftmax({ memory, allocate: () => 64, free() {} });
    expect(make).toThrow('instantiateSoftmax: this environment cannot run SIMD WebAssembly in that memory');
  });
});

describe('the private memory', () => {
  test('gives out aligned pieces that do not overlap, and what was freed again', () => {
    forAll([fc.array(fc.tuple(fc.nat(300_000), fc.boolean()), { maxLength: 20 })], (steps) => {
      const heap = createHeap();
      const live: { from: number; to: number }[] = [];
      for (const [bytes, drop] of steps) {
        const from = heap.allocate(bytes);
        expect([from > 0, from % 64]).toEqual([true, 0]);
        expect(from + bytes).toBeLessThanOrEqual(heap.memory.buffer.byteLength);
        expect(live.some((other) => from < other.to && other.from < from + bytes)).toBe(false);
        live.push({ from, to: from + bytes });
        if (drop) heap.free(live.shift()!.from);
      }
      for (const { from } of live) heap.free(from);
      expect(heap.allocate(1)).toBe(64);
    });
  });

  test('grows for a large call, and not for the same again', () => {
    withRoom(4, (address) => {
      floatsAt(address, 1)[0] = 7;
      const size = privateHeap().memory.buffer.byteLength / 4;
      const logits = new Float32Array(size).fill(1);
      const once = () => selectiveLogSoftmax({ logits, size, ids: Int32Array.of(0) });
      const { buffer } = privateHeap().memory;
      expect(once().statistics[0]).toBeCloseTo(-Math.log(size), 5);
      const grown = privateHeap().memory.buffer;
      expect(grown.byteLength).toBeGreaterThan(buffer.byteLength);
      once();
      expect(privateHeap().memory.buffer).toBe(grown);
      expect(floatsAt(address, 1)[0]).toBe(7);
    });
  });

  test('says when nothing is left', () => {
    try {
      createHeap().allocate(2 ** 33);
      expect.unreachable();
    } catch (error) {
      expect(isTsrlError(error, 'backend') && error.message).toBe(
        'kernels: the memory of the kernels, which ends at 4 GiB, has no 8589934592 bytes left',
      );
    }
  });
});

/** The functions over typed arrays in a Node that knows relaxed SIMD; undefined where there is none. */
function runRelaxed(c: Case, dy: Float32Array, columns: Float32Array) {
  const text = (array: Float32Array | Int32Array): string => JSON.stringify([...array].map(String));
  const source = `
    import { softmaxBinary } from './src/binaries/softmax.ts';
    import { selectiveLogSoftmax, selectiveLogSoftmaxGradient, tokenGradients } from './src/arrays/softmax.ts';
    const floats = (texts) => Float32Array.from(texts, Number);
    const options = {
      logits: floats(${text(c.x)}), ids: Int32Array.from(${text(c.ids)}, Number), size: ${c.size},
      temperature: ${c.temperature}, ignoreId: ${c.ignoreId}, entropy: ${c.entropy},
    };
    if (!WebAssembly.validate(Buffer.from(softmaxBinary.relaxed, 'base64'))) process.exit(3);
    const forward = selectiveLogSoftmax(options);
    const gradient = selectiveLogSoftmaxGradient({ ...options, ...forward, dy: floats(${text(dy)}) });
    const slopes = ${surrogate.toString()};
    const one = tokenGradients({ ...options, columns: floats(${text(columns)}), slopes });
    const texts = (array) => [...array].map(String);
    process.stdout.write(JSON.stringify([forward.statistics, gradient, one.statistics, one.gradient].map(texts)));`;
  const resolveDir = fileURLToPath(new URL('..', import.meta.url));
  const { outputFiles } = buildSync({
    stdin: { contents: source, resolveDir, loader: 'ts' },
    ...{ bundle: true, write: false, format: 'esm', platform: 'node', conditions: ['@tsrl/source'] },
  });
  const flags = Number(process.versions.node.split('.')[0]) < 22 ? ['--experimental-wasm-relaxed-simd'] : [];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, '--input-type=module', '-'], {
    input: outputFiles[0]!.text,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status === 3) return undefined;
  expect([status, stderr.replace(/^.*Warning.*$/gm, '').trim()]).toEqual([0, '']);
  return (JSON.parse(stdout) as string[][]).map((values) => Float32Array.from(values, Number));
}

test('the relaxed binary, in a process that knows it, has the same accuracy', (context) => {
  const [rows, size] = [6, 4099];
  const x = draw(rows * size, 7).map((value, i) => (i % 11 === 0 ? -Infinity : value * 4));
  x.fill(-Infinity, 2 * size, 3 * size);
  x[3 * size + 4098] = NaN;
  const ids = Int32Array.of(1, 2, 3, 4, -7, -100);
  const c = { x, size, ids, rows, chosen: 1, temperature: 0.5, ignoreId: -100, entropy: true, seed: 0 };
  const want = statisticsOf(c);
  const columns = draw(rows * 3, 8);
  for (let r = 0; r < rows; r++) columns[3 * r] = finite(want[3 * r]!) + 0.01;
  const dy = draw(rows * 3, 9);
  const got = runRelaxed(c, dy, columns);
  if (got === undefined) return context.skip('this engine lacks relaxed SIMD');
  const [statistics, gradient, one, oneGradient] = got as [Float32Array, Float32Array, Float32Array, Float32Array];
  expect(worst(statistics, want, statisticsBound(want))).toBeLessThan(1);
  const { values, sizes } = gradientOf(c, dy);
  expect(worst(gradient, values, gradientBound(sizes))).toBeLessThan(1);
  const slopes = new Float64Array(rows * 3);
  for (let r = 0; r < 5; r++) {
    const out = new Float64Array(2);
    surrogate(one[2 * r]!, one[2 * r + 1]!, columns, 3 * r, out);
    slopes.set([r === 4 ? 0 : out[0]!, 0, out[1]!], 3 * r);
  }
  const token = gradientOf(c, slopes);
  expect(worst(oneGradient, token.values, gradientBound(token.sizes))).toBeLessThan(1);
  // Rounded once instead of twice: it is not the other binary.
  expect(selectiveLogSoftmaxGradient({ ...call(c), ...selectiveLogSoftmax(call(c)), dy })).not.toEqual(gradient);
});

test('errors of ordinary logits against float64 are within what the documentation says', () => {
  const x = draw(64 * 5000, 10).map((value) => value * 4);
  const ids = Int32Array.from({ length: 64 }, (_, r) => r);
  const c = { x, size: 5000, ids, temperature: 1, ignoreId: -100, entropy: true };
  const { statistics } = selectiveLogSoftmax({ ...c, logits: x });
  const want = statisticsOf(c);
  for (const column of [0, 1, 2]) {
    const own = (values: ArrayLike<number>): number[] => Array.from(values).filter((_, i) => i % 3 === column);
    const bound = column === 2 ? () => 4e-7 : (i: number) => 3e-7 + 6e-8 * Math.abs(own(want)[i]!);
    expect(worst(own(statistics), own(want), bound)).toBeLessThan(1);
  }
});
