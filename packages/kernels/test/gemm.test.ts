import { createRng, isTsrlError } from '@tsrl/core';
import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type GemmActivation, type Heap, instantiateGemm } from '../src/index.ts';
import { multipliesRight } from '../src/probe.ts';

// The types of Node 20 know WebAssembly only as a namespace.
declare const WebAssembly: {
  readonly Memory: new (limits: {
    initial: number;
    maximum?: number;
    shared?: boolean;
  }) => { readonly buffer: ArrayBufferLike; grow(pages: number): number };
};

/** A heap that only grows; `reset` frees everything allocated since the kernel was made. */
function createHeap(): Heap & { grow(pages: number): void; reset(): void; keep(): void } {
  const memory = new WebAssembly.Memory({ initial: 64 });
  let [next, kept] = [8, 8];
  return {
    memory,
    allocate(bytes) {
      const address = next;
      next += Math.ceil(bytes / 4) * 4;
      const missing = next - memory.buffer.byteLength;
      if (missing > 0) memory.grow(Math.ceil(missing / 65536));
      return address;
    },
    free() {},
    grow(pages) {
      memory.grow(pages);
    },
    reset() {
      next = kept;
    },
    keep() {
      kept = next;
    },
  };
}

const heap = createHeap();
const gemm = instantiateGemm(heap);
heap.keep();

interface Case {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly batch: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly sharedA: boolean;
  readonly sharedB: boolean;
  readonly accumulate: boolean;
}

const plain: Omit<Case, 'm' | 'k' | 'n'> = {
  batch: 1,
  transposeA: false,
  transposeB: false,
  sharedA: false,
  sharedB: false,
  accumulate: false,
};

interface End {
  readonly bias?: ArrayLike<number> | undefined;
  readonly activation?: GemmActivation | undefined;
}

/** The product as the kernel computes it; the numbers on both sides of the result must stay what they were. */
function product(
  c: Case,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  before: ArrayLike<number>,
  { bias, activation }: End = {},
): Float32Array {
  heap.reset();
  const biasAt = bias && heap.allocate(4 * bias.length);
  if (biasAt) new Float32Array(heap.memory.buffer, biasAt, bias.length).set(bias);
  const { m, k, n, batch } = c;
  const guard = 16;
  const [aAt, bAt] = [heap.allocate(4 * a.length), heap.allocate(4 * b.length)];
  const guarded = heap.allocate(4 * (before.length + 2 * guard));
  const view = (at: number, length: number): Float32Array => new Float32Array(heap.memory.buffer, at, length);
  view(aAt, a.length).set(a);
  view(bAt, b.length).set(b);
  view(guarded, before.length + 2 * guard).fill(12345);
  const out = guarded + 4 * guard;
  view(out, before.length).set(before);
  const stride = (rows: number, columns: number, flip: boolean, shared: boolean) => ({
    rowStride: flip ? 1 : columns,
    columnStride: flip ? rows : 1,
    batchStride: shared ? 0 : rows * columns,
  });
  gemm({
    a: { address: aAt, ...stride(m, k, c.transposeA, c.sharedA) },
    b: { address: bAt, ...stride(k, n, c.transposeB, c.sharedB) },
    out,
    batch,
    m,
    k,
    n,
    accumulate: c.accumulate,
    ...(biasAt ? { bias: biasAt } : {}),
    ...(activation ? { activation } : {}),
  });
  const around = view(guarded, before.length + 2 * guard);
  expect([...around.subarray(0, guard), ...around.subarray(guard + before.length)].every((x) => x === 12345)).toBe(
    true,
  );
  expect([
    view(aAt, a.length).every((x, i) => Object.is(x, a[i])),
    view(bAt, b.length).every((x, i) => Object.is(x, b[i])),
  ]).toEqual([true, true]);
  return view(out, before.length).slice();
}

/** The product and Σ |aᵢₗ bₗⱼ| in float64, by the definition. */
function oracle(c: Case, a: ArrayLike<number>, b: ArrayLike<number>, before: ArrayLike<number>) {
  const { m, k, n, batch } = c;
  const values = new Float64Array(batch * m * n);
  const sizes = new Float64Array(batch * m * n);
  for (let s = 0; s < batch; s++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        const at = (s * m + i) * n + j;
        values[at] = c.accumulate ? before[at]! : 0;
        sizes[at] = Math.abs(values[at]!);
        for (let l = 0; l < k; l++) {
          const x = a[(c.sharedA ? 0 : s * m * k) + (c.transposeA ? l * m + i : i * k + l)]!;
          const y = b[(c.sharedB ? 0 : s * k * n) + (c.transposeB ? j * k + l : l * n + j)]!;
          values[at]! += x * y;
          sizes[at]! += Math.abs(x * y);
        }
      }
    }
  }
  return { values, sizes };
}

let seed = 0;
const draw = (size: number): Float32Array => {
  const rng = createRng(seed++);
  return Float32Array.from({ length: size }, () => rng.normal());
};

function check(c: Case): void {
  const a = draw((c.sharedA ? 1 : c.batch) * c.m * c.k);
  const b = draw((c.sharedB ? 1 : c.batch) * c.k * c.n);
  const before = c.accumulate ? draw(c.batch * c.m * c.n) : new Float32Array(c.batch * c.m * c.n).fill(NaN);
  const got = product(c, a, b, before);
  const { values, sizes } = oracle(c, a, b, before);
  // The bound that the doc comment states, with a little for the terms of second order.
  const relative = (257 + c.k / 256) * 2 ** -24 * 1.001;
  // A sum of k roundings errs like √k in practice: a wrong or missing term cannot hide there.
  const tight = (4 + 2 * Math.sqrt(c.k)) * 2 ** -24;
  const worst = got.reduce((most, x, i) => {
    const ratio = Math.abs(x - values[i]!) / (sizes[i]! * Math.min(relative, tight) + 1e-44);
    return Number.isNaN(ratio) ? Infinity : Math.max(most, ratio);
  }, 0);
  expect(worst).toBeLessThan(1);
}

const size = fc.oneof(
  fc.integer({ min: 1, max: 70 }),
  fc.constantFrom(3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65),
);
const anyCase: fc.Arbitrary<Case> = fc.record({
  m: size,
  k: size,
  n: size,
  batch: fc.constantFrom(1, 1, 2, 3),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  sharedA: fc.boolean(),
  sharedB: fc.boolean(),
  accumulate: fc.boolean(),
});
const flags = [false, true].flatMap((transposeA) => [false, true].map((transposeB) => ({ transposeA, transposeB })));

describe('gemm', () => {
  test('is the product of the definition, for any sizes, strides, batches and sums', () => {
    forAll([anyCase], check, { runs: 1000 });
  });

  // One more, one less and exactly as many as the kernel packs at a time: 128 rows, 256 deep, 512 columns.
  test.each([
    [127, 255, 17],
    [128, 256, 16],
    [130, 257, 33],
    [5, 258, 511],
    [9, 70, 512],
    [131, 260, 514],
    [262, 40, 9],
    [3, 1030, 521],
    [9, 513, 70],
    // Transposed, more than the cache holds: see `touch`.
    [3, 300, 1001],
  ])('across the blocks: %i x %i times %i columns', (m, k, n) => {
    for (const flip of flags) check({ ...plain, ...flip, m, k, n, accumulate: flip.transposeA });
  });

  test('every size around the tile', () => {
    for (const m of [1, 2, 3, 4, 5, 8]) {
      for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17]) {
        for (const k of [1, 2, 3, 4, 5, 8]) for (const flip of flags) check({ ...plain, ...flip, m, k, n });
      }
    }
  });

  const activations: Record<GemmActivation, (x: number) => number> = {
    relu: (x) => Math.max(x, 0),
    // (1 + tanh u) / 2 = 1 / (1 + exp(-2u)), which does not cancel
    gelu: (x) => x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    silu: (x) => x / (1 + Math.exp(-x)),
  };

  test('a bias for each column, and activations', () => {
    const names = fc.constantFrom<GemmActivation | undefined>(undefined, 'relu', 'gelu', 'silu');
    const anyDepth = fc.constantFrom(0, 1, 3, 70, 256, 300, 520);
    forAll(
      [anyCase, names, fc.boolean(), anyDepth],
      (drawn, activation, biased, k) => {
        const c: Case = { ...drawn, k };
        const a = draw((c.sharedA ? 1 : c.batch) * c.m * k);
        const b = draw((c.sharedB ? 1 : c.batch) * k * c.n);
        const before = c.accumulate ? draw(c.batch * c.m * c.n) : new Float32Array(c.batch * c.m * c.n).fill(NaN);
        const bias = biased ? draw(c.n) : undefined;
        const got = product(c, a, b, before, { bias, activation });
        const { values, sizes } = oracle(c, a, b, before);
        const f = activation ? activations[activation] : (x: number): number => x;
        const tight = (6 + 2 * Math.sqrt(k)) * 2 ** -24;
        const worst = got.reduce((most, x, i) => {
          const shift = bias?.[i % c.n] ?? 0;
          const want = f(values[i]! + shift);
          // The slopes of the activations are at most 1.13.
          const bound = 1.13 * (sizes[i]! + Math.abs(shift)) * tight + (activation ? 5e-7 * Math.abs(want) : 0) + 1e-37;
          const ratio = Math.abs(x - want) / bound;
          return Number.isNaN(ratio) ? Infinity : Math.max(most, ratio);
        }, 0);
        expect(worst).toBeLessThan(1);
      },
      { runs: 500 },
    );
  });

  test('activations over all that a float can be, and of NaN and infinities', () => {
    const x = [...Array(2000).keys()].flatMap((i) => [10 ** (i / 60 - 12), -(10 ** (i / 60 - 12))]).map(Math.fround);
    for (const [name, f] of Object.entries(activations)) {
      const activation = name as GemmActivation;
      const got = product({ ...plain, m: x.length, k: 1, n: 1 }, x, [1], x, { activation });
      got.forEach((y, i) => {
        const want = f(x[i]!);
        // An exponential of −u has the roundings of u in it: about u 2⁻²², relatively. Below e⁻⁸⁸ it is 0.
        const bound = (5e-7 + (x[i]! < 0 ? 88 * 2 ** -22 : 0)) * Math.abs(want) + 1e-36;
        expect(Math.abs(y - want), `${name} of ${x[i]}: ${y}, not ${want}`).toBeLessThanOrEqual(bound);
      });
      const special = product({ ...plain, m: 3, k: 1, n: 1 }, [NaN, Infinity, -Infinity], [1], [0, 0, 0], {
        activation,
      });
      expect([...special]).toEqual([NaN, Infinity, name === 'relu' ? 0 : special[2]]);
      expect(special[2]).toBe(name === 'relu' ? 0 : NaN);
    }
  });

  test('over nothing the product is 0, and adds nothing', () => {
    const c: Case = { ...plain, batch: 2, m: 3, k: 0, n: 5 };
    expect(product(c, [], [], new Float32Array(30).fill(7))).toEqual(new Float32Array(30));
    const sum = product({ ...c, accumulate: true }, [], [], new Float32Array(30).fill(7));
    expect(sum).toEqual(new Float32Array(30).fill(7));
    for (const empty of [{ m: 0 }, { n: 0 }, { batch: 0 }]) {
      expect(product({ ...c, k: 2, ...empty }, draw(12), draw(20), [])).toHaveLength(0);
    }
  });

  test('NaN and infinities reach the elements that they belong to, and no other', () => {
    forAll(
      [anyCase, fc.nat(), fc.nat(), fc.constantFrom(NaN, Infinity, -Infinity), fc.boolean()],
      (drawn, row, at, special, left) => {
        const c: Case = { ...drawn, batch: 1, accumulate: false };
        const { m, k, n } = c;
        const [i, j, l] = [row % m, row % n, at % k];
        const [a, b] = [draw(m * k).map(Math.abs), draw(k * n).map(Math.abs)];
        if (left) a[c.transposeA ? l * m + i : i * k + l] = special;
        else b[c.transposeB ? j * k + l : l * n + j] = special;
        const got = product(c, a, b, new Float32Array(m * n));
        got.forEach((value, e) => {
          const touched = left ? Math.floor(e / n) === i : e % n === j;
          if (touched) expect(value).toBe(special);
          else expect(Number.isFinite(value)).toBe(true);
        });
      },
      { runs: 200 },
    );
    // ∞ · 0 and ∞ − ∞
    expect(product({ ...plain, m: 1, k: 2, n: 1 }, [Infinity, 1], [0, 1], [0])).toEqual(Float32Array.of(NaN));
    expect(product({ ...plain, m: 1, k: 2, n: 1 }, [1, 1], [Infinity, -Infinity], [0])).toEqual(Float32Array.of(NaN));
  });

  test('sums begin at +0', () => {
    const got = product({ ...plain, m: 1, k: 1, n: 2 }, [-0], [1, -1], [NaN, NaN]);
    expect([...got].map((x) => Object.is(x, 0))).toEqual([true, true]);
  });

  test('a row of the result depends on its own row of a alone, to the bit', () => {
    forAll(
      [anyCase],
      (drawn) => {
        const c: Case = { ...drawn, batch: 1, accumulate: false, transposeA: false };
        const { m, k, n } = c;
        const [a, b] = [draw(m * k), draw(k * n)];
        const all = product(c, a, b, new Float32Array(m * n));
        const last = product({ ...c, m: 1 }, a.slice((m - 1) * k), b, new Float32Array(n));
        expect(last).toEqual(all.slice((m - 1) * n));
      },
      { runs: 100 },
    );
  });

  test('a transposed operand gives the same bits as the transposed numbers', () => {
    forAll(
      [anyCase],
      (drawn) => {
        const c: Case = { ...drawn, batch: 1, accumulate: false };
        const { m, k, n } = c;
        const [a, b] = [draw(m * k), draw(k * n)];
        const rows = (x: Float32Array, flip: boolean, r: number, s: number): Float32Array =>
          flip ? Float32Array.from(x, (_, e) => x[(e % s) * r + Math.floor(e / s)]!) : x;
        const straight = product(
          { ...c, transposeA: false, transposeB: false },
          rows(a, c.transposeA, m, k),
          rows(b, c.transposeB, k, n),
          new Float32Array(m * n),
        );
        expect(product(c, a, b, new Float32Array(m * n))).toEqual(straight);
      },
      { runs: 100 },
    );
  });

  test('reads nothing behind an operand: one that ends with the memory does not trap', () => {
    for (const [m, k, n] of [
      [5, 3, 9],
      [7, 9, 70],
      [3, 300, 12],
      [130, 5, 6],
    ] as const) {
      for (const { transposeA, transposeB } of flags) {
        const [a, b] = [draw(m * k), draw(k * n)];
        const expected = product({ ...plain, transposeA, transposeB, m, k, n }, a, b, new Float32Array(m * n));
        const out = heap.allocate(4 * m * n);
        const end = heap.memory.buffer.byteLength;
        for (const [aAt, bAt] of [
          [end - 4 * m * k, heap.allocate(4 * k * n)],
          [heap.allocate(4 * m * k), end - 4 * k * n],
        ] as const) {
          new Float32Array(heap.memory.buffer, aAt, m * k).set(a);
          new Float32Array(heap.memory.buffer, bAt, k * n).set(b);
          const strides = (flip: boolean, rows: number, columns: number) => ({
            rowStride: flip ? 1 : columns,
            columnStride: flip ? rows : 1,
            batchStride: 0,
          });
          gemm({
            a: { address: aAt, ...strides(transposeA, m, k) },
            b: { address: bAt, ...strides(transposeB, k, n) },
            out,
            batch: 1,
            m,
            k,
            n,
          });
          expect(new Float32Array(heap.memory.buffer, out, m * n)).toEqual(expected);
        }
      }
    }
  });

  test('strides of 0 repeat a number, a row or a column', () => {
    for (const n of [1, 7, 40]) {
      const [m, k] = [9, 6];
      const [a, b] = [draw(k + m), draw(k * n)];
      for (const [rowStride, columnStride] of [
        [0, 0],
        [1, 0],
        [0, 1],
      ] as const) {
        heap.reset();
        const [aAt, bAt, out] = [heap.allocate(4 * (k + m)), heap.allocate(4 * k * n), heap.allocate(4 * m * n)];
        new Float32Array(heap.memory.buffer, aAt, k + m).set(a);
        new Float32Array(heap.memory.buffer, bAt, k * n).set(b);
        gemm({
          a: { address: aAt, rowStride, columnStride, batchStride: 0 },
          b: { address: bAt, rowStride: n, columnStride: 1, batchStride: 0 },
          out,
          batch: 1,
          m,
          k,
          n,
        });
        const spread = Float32Array.from(
          { length: m * k },
          (_, e) => a[Math.floor(e / k) * rowStride + (e % k) * columnStride]!,
        );
        const got = new Float32Array(heap.memory.buffer, out, m * n).slice();
        expect(got).toEqual(product({ ...plain, m, k, n }, spread, b, new Float32Array(m * n)));
      }
    }
  });

  test('goes on after the memory has grown', () => {
    const size = heap.memory.buffer.byteLength;
    heap.grow(32);
    expect(heap.memory.buffer.byteLength).toBeGreaterThan(size);
    check({ ...plain, m: 33, k: 17, n: 29 });
    // Operands beyond what was there when the kernel was made.
    const [m, k, n] = [16, 1024, 1024];
    check({ ...plain, transposeB: true, m, k, n });
  });
});

describe('instantiateGemm', () => {
  test('refuses a shared memory, and says so', () => {
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
    let error: unknown;
    try {
      instantiateGemm({ memory, allocate: () => expect.unreachable(), free: () => expect.unreachable() });
    } catch (caught) {
      error = caught;
    }
    expect(isTsrlError(error, 'backend')).toBe(true);
    expect((error as Error).message).toMatch(/^instantiateGemm: this environment cannot run SIMD WebAssembly .*shared/);
  });

  test('gives everything back but its workspace', () => {
    const owned = new Set<number>();
    const inner = createHeap();
    const counting: Heap = {
      memory: inner.memory,
      allocate(bytes) {
        const address = inner.allocate(bytes);
        owned.add(address);
        return address;
      },
      free: (address) => expect(owned.delete(address)).toBe(true),
    };
    instantiateGemm(counting);
    expect(owned.size).toBe(1);
  });

  test('the probe sees a kernel that forgets a flag, a row, a column or a matrix', () => {
    expect(multipliesRight(gemm, heap)).toBe(true);
    expect(multipliesRight(() => {}, heap)).toBe(false);
    expect(multipliesRight((p) => gemm({ ...p, m: p.m - 1 }), heap)).toBe(false);
    expect(multipliesRight((p) => gemm({ ...p, batch: 1 }), heap)).toBe(false);
    expect(multipliesRight((p) => gemm({ ...p, b: { ...p.b, batchStride: 0 } }), heap)).toBe(false);
    expect(multipliesRight((p) => gemm({ ...p, a: { ...p.a, rowStride: 5, columnStride: 1 } }), heap)).toBe(false);
    expect(multipliesRight((p) => gemm({ ...p, b: { ...p.b, rowStride: 19, columnStride: 1 } }), heap)).toBe(false);
  });
});
