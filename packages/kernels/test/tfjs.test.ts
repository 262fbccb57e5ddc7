import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { float32, forAllAsync, maxError, type Tolerance } from '@tsrl/testing';
import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { instantiateGemm } from '../src/index.ts';
import { installFastKernels, uninstallFastKernels } from '../src/tfjs/index.ts';
import type { WasmBackend, WasmKernel } from '../src/tfjs/wasm/backend.ts';
import { fastFusedMatMul } from '../src/tfjs/wasm/fused-mat-mul.ts';
import { fastMatMul } from '../src/tfjs/wasm/mat-mul.ts';
import { onHeap } from '../src/tfjs/wasm/on-heap.ts';

const onWasm = process.env['TSRL_BACKEND'] !== 'cpu';
const numDataIds = (): number => (tf.backend() as unknown as { numDataIds(): number }).numDataIds();

let seed = 0;
/** Float32 numbers, so that oracle and device start from the same. */
const draw = (size: number): number[] => {
  const rng = createRng(seed++);
  return Array.from({ length: size }, () => Math.fround(rng.normal()));
};
const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
/** Σ wᵢ yᵢ: a loss whose gradient tells the elements of y apart. */
const weigh = (y: tf.Tensor, w: number[]): tf.Scalar => tf.sum(tf.mul(y, tf.tensor(w, y.shape))) as tf.Scalar;

afterEach(() => {
  seed = 0;
});

/** A sum of k products of float32 numbers: k roundings of partial sums that are at most Σ|ab|. */
const dotProduct = (k: number, size: number): Tolerance => ({ absolute: 1e-6 + k * 6e-8 * size, relative: 2e-5 });

interface Product {
  readonly batchA: readonly number[];
  readonly batchB: readonly number[];
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Products and gradients of Σ w · (a b) as loops over the definition, with the batch broadcast as in numpy. */
function oracle({ batchA, batchB, m, k, n, transposeA, transposeB }: Product, a: number[], b: number[], w?: number[]) {
  const rank = Math.max(batchA.length, batchB.length);
  const padded = (batch: readonly number[]): number[] => [...Array(rank - batch.length).fill(1), ...batch];
  const [padA, padB] = [padded(batchA), padded(batchB)];
  const batch = padA.map((size, i) => (size === 1 ? (padB[i] as number) : size));
  const count = sizeOf(batch);
  const matrixAt = (own: number[], flat: number): number => {
    let index = 0;
    let stride = 1;
    let rest = flat;
    for (let d = rank - 1; d >= 0; d--) {
      const at = rest % (batch[d] as number);
      rest = Math.floor(rest / (batch[d] as number));
      index += (own[d] === 1 ? 0 : at) * stride;
      stride *= own[d] as number;
    }
    return index;
  };
  const out = new Float64Array(count * m * n);
  const gradA = new Float64Array(a.length);
  const gradB = new Float64Array(b.length);
  for (let s = 0; s < count; s++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        for (let l = 0; l < k; l++) {
          const atA = matrixAt(padA, s) * m * k + (transposeA ? l * m + i : i * k + l);
          const atB = matrixAt(padB, s) * k * n + (transposeB ? j * k + l : l * n + j);
          const at = (s * m + i) * n + j;
          out[at]! += a[atA]! * b[atB]!;
          gradA[atA]! += (w?.[at] ?? 0) * b[atB]!;
          gradB[atB]! += (w?.[at] ?? 0) * a[atA]!;
        }
      }
    }
  }
  return { out, gradA, gradB, shape: [...batch, m, n] };
}

function operands({ batchA, batchB, m, k, n, transposeA, transposeB }: Product) {
  const shapeA = [...batchA, ...(transposeA ? [k, m] : [m, k])];
  const shapeB = [...batchB, ...(transposeB ? [n, k] : [k, n])];
  return { shapeA, shapeB, a: draw(sizeOf(shapeA)), b: draw(sizeOf(shapeB)) };
}

async function checkProduct(
  product: Product,
  multiply: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  gradients: boolean,
): Promise<void> {
  const { shapeA, shapeB, a, b } = operands(product);
  const before = tf.memory().numTensors;
  const ids = numDataIds();
  const { out, shape } = oracle(product, a, b);
  const w = draw(out.length);
  const { gradA, gradB } = oracle(product, a, b, w);
  const [at, bt] = [tf.tensor(a, shapeA), tf.tensor(b, shapeB)];
  const result = multiply(at, bt);
  expect(result.shape).toEqual(shape);
  expect(maxError(await result.data(), out, dotProduct(product.k, 4))).toBeLessThan(1);
  if (gradients) {
    const [da, db] = tf.grads((x, y) => weigh(multiply(x as tf.Tensor, y as tf.Tensor), w))([at, bt]);
    expect([da?.shape, db?.shape]).toEqual([shapeA, shapeB]);
    expect(maxError(await da!.data(), gradA, dotProduct(product.n * sizeOf(shape), 4))).toBeLessThan(1);
    expect(maxError(await db!.data(), gradB, dotProduct(product.m * sizeOf(shape), 4))).toBeLessThan(1);
    tf.dispose([da, db] as tf.Tensor[]);
  }
  tf.dispose([at, bt, result]);
  expect([tf.memory().numTensors, numDataIds()]).toEqual([before, ids]);
}

const size = fc.constantFrom(1, 2, 3, 5, 7, 8, 9, 16, 17, 33);
const flags = { transposeA: fc.boolean(), transposeB: fc.boolean() };

describe('matMul', () => {
  const sameBatch = fc
    .constantFrom<readonly number[]>([], [1], [3], [1, 1], [2, 3], [2, 1, 2])
    .chain((batch) =>
      fc.record({ batchA: fc.constant(batch), batchB: fc.constant(batch), m: size, k: size, n: size, ...flags }),
    );

  test('is the product, with its gradients, for all flags, ranks and sizes', async () => {
    await forAllAsync(
      [sameBatch],
      (p) => checkProduct(p, (a, b) => tf.matMul(a, b, p.transposeA, p.transposeB), true),
      { runs: 150 },
    );
  });

  // A batch that is broadcast in one of several dimensions ([2, 1] with [2, 3]) is wrong on every backend of tfjs.
  test('broadcasts a single matrix over the batch of the other', async () => {
    const pairs = fc.constantFrom<readonly [readonly number[], readonly number[]]>(
      [[3], [1]],
      [[1], [3]],
      [
        [2, 3],
        [1, 1],
      ],
      [
        [1, 1],
        [2, 2],
      ],
      [[2], []],
      [[], [2]],
    );
    const broadcast = pairs.chain(([batchA, batchB]) =>
      fc.record({ batchA: fc.constant(batchA), batchB: fc.constant(batchB), m: size, k: size, n: size, ...flags }),
    );
    await forAllAsync(
      [broadcast],
      (p) => checkProduct(p, (a, b) => tf.matMul(a, b, p.transposeA, p.transposeB), false),
      { runs: 150 },
    );
  });

  test('fused with bias and activation', async () => {
    const cases = fc
      .constantFrom<readonly number[]>([], [1], [3], [2, 2])
      .chain((batch) =>
        fc.record({ batchA: fc.constant(batch), batchB: fc.constant(batch), m: size, k: size, n: size, ...flags }),
      );
    await forAllAsync(
      [cases],
      async (p) => {
        const { transposeA, transposeB } = p;
        await checkProduct(p, (a, b) => tf.fused.matMul({ a, b, transposeA, transposeB }), true);
        const { shapeA, shapeB, a, b } = operands(p);
        const bias = draw(p.n);
        const y = oracle(p, a, b).out.map((x, i) => Math.max(0, x + (bias[i % p.n] as number)));
        const [at, bt, ct] = [tf.tensor(a, shapeA), tf.tensor(b, shapeB), tf.tensor1d(bias)];
        const ids = numDataIds();
        const result = tf.fused.matMul({ a: at, b: bt, bias: ct, activation: 'relu', transposeA, transposeB });
        expect(numDataIds() - ids).toBe(1);
        expect(maxError(await result.data(), y, dotProduct(p.k, 4))).toBeLessThan(1);
        tf.dispose([at, bt, ct, result]);
      },
      { runs: 100 },
    );
  });

  test.each([
    [
      [0, 3],
      [3, 4],
      [0, 4],
    ],
    [
      [2, 0, 3],
      [2, 3, 4],
      [2, 0, 4],
    ],
    [
      [0, 2, 3],
      [0, 3, 4],
      [0, 2, 4],
    ],
    [
      [2, 0],
      [0, 3],
      [2, 3],
    ],
    [
      [2, 2, 0],
      [2, 0, 3],
      [2, 2, 3],
    ],
  ])('of nothing: %j times %j is zeros %j, with and without flags', async (shapeA, shapeB, shape) => {
    const full = tf.tidy(() => tf.clone(tf.fill([64], 7))); // what an unwritten result would show
    full.dispose();
    const flip = (s: number[]): number[] => [...s.slice(0, -2), ...s.slice(-2).reverse()];
    for (const [flipA, flipB] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const) {
      const [a, b] = [tf.zeros(flipA ? flip(shapeA) : shapeA), tf.zeros(flipB ? flip(shapeB) : shapeB)];
      const result = tf.matMul(a, b, flipA, flipB);
      expect(result.shape).toEqual(shape);
      expect([...(await result.data())]).toEqual(Array(sizeOf(shape)).fill(0));
      tf.dispose([a, b, result]);
    }
  });

  test('refuses inner sizes that differ, and leaks nothing', () => {
    const [a, b] = [tf.zeros([2, 3, 4]), tf.zeros([2, 3, 4])];
    const ids = numDataIds();
    expect(() => tf.matMul(a, b)).toThrow(/inner/i);
    expect(() => tf.matMul(a, b, true, true)).toThrow(/inner/i);
    expect(numDataIds()).toBe(ids);
    tf.dispose([a, b]);
  });

  test('the packed operand is not remembered: the same variable with new numbers gives a new product', async () => {
    const product: Product = { batchA: [], batchB: [], m: 5, k: 9, n: 7, transposeA: false, transposeB: true };
    const { shapeA, shapeB, a } = operands(product);
    const at = tf.tensor(a, shapeA);
    const weight = tf.tidy(() => tf.variable(tf.zeros(shapeB), true, 'weight'));
    for (let i = 0; i < 4; i++) {
      const b = draw(sizeOf(shapeB));
      tf.tidy(() => weight.assign(tf.tensor(b, shapeB)));
      const result = tf.matMul(at, weight, false, true);
      expect(maxError(await result.data(), oracle(product, a, b).out, dotProduct(9, 4))).toBeLessThan(1);
      result.dispose();
    }
    at.dispose();
  });

  test.runIf(onWasm)('survives the growth of the memory between and within products', async () => {
    const product: Product = { batchA: [3], batchB: [3], m: 33, k: 17, n: 9, transposeA: true, transposeB: true };
    const multiply = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.matMul(a, b, true, true);
    await checkProduct(product, multiply, true);
    const memory = (): number =>
      (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.buffer.byteLength;
    const before = memory();
    const big = tf.zeros([16, 1024, 1024]);
    expect(memory()).toBeGreaterThan(before);
    await checkProduct(product, multiply, true);
    // The operands fill what there is, so that the transposed copies and the result have to grow it.
    const a = tf.fill([2, 1024, 1200], 0.5);
    const result = tf.matMul(a, a, true, false);
    const values = await result.data();
    expect([values[0], values.at(-1), values.length]).toEqual([256, 256, 2 * 1200 * 1200]);
    tf.dispose([big, a, result]);
  });
});

describe.runIf(onWasm)('the product where our kernel cannot run', () => {
  const kernelOf = (name: string) => tf.getKernel(name, 'wasm').kernelFunc as unknown as WasmKernel;
  const register = (kernelName: string, kernel: WasmKernel): void => {
    tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({ kernelName, backendName: 'wasm', kernelFunc: kernel as unknown as tf.KernelFunc });
  };

  test('is right by XNNPACK as well: flags, batches, broadcasts, bias and activation, and nothing', async () => {
    const ours = ['BatchMatMul', '_FusedMatMul'].map((name) => [name, kernelOf(name)] as const);
    uninstallFastKernels();
    const [original, fused] = [kernelOf('BatchMatMul'), kernelOf('_FusedMatMul')];
    installFastKernels();
    register(
      'BatchMatMul',
      fastMatMul(original, () => undefined),
    );
    register(
      '_FusedMatMul',
      fastFusedMatMul(fused, () => undefined),
    );
    try {
      const batches = fc.constantFrom<readonly [readonly number[], readonly number[]]>(
        [[], []],
        [[1], [1]],
        [[3], [3]],
        [
          [2, 2],
          [2, 2],
        ],
        [[3], [1]],
        [[], [2]],
      );
      const cases = batches.chain(([batchA, batchB]) =>
        fc.record({ batchA: fc.constant(batchA), batchB: fc.constant(batchB), m: size, k: size, n: size, ...flags }),
      );
      await forAllAsync(
        [cases],
        async (p) => {
          const { transposeA, transposeB } = p;
          const same = p.batchA.length === p.batchB.length && p.batchA.every((d, i) => d === p.batchB[i]);
          await checkProduct(p, (a, b) => tf.matMul(a, b, transposeA, transposeB), same);
          await checkProduct(p, (a, b) => tf.fused.matMul({ a, b, transposeA, transposeB }), false);
        },
        { runs: 100 },
      );
      const [a, b] = [tf.zeros([2, 0]), tf.zeros([0, 3])];
      const nothing = tf.matMul(a, b);
      expect([...(await nothing.data())]).toEqual(Array(6).fill(0));
      tf.dispose([a, b, nothing]);
    } finally {
      for (const [name, kernel] of ours) register(name, kernel);
    }
  });

  test('which is where the memory is not found, or no SIMD in it; otherwise there is one kernel for each backend', () => {
    const backend = tf.backend() as unknown as WasmBackend;
    const gemmOf = onHeap(instantiateGemm);
    expect(gemmOf(backend)).toBeTypeOf('function');
    expect(gemmOf(backend)).toBe(gemmOf(backend));
    const { HEAPU8 } = backend.wasm;
    const hidden = { wasm: { HEAPU8 } } as unknown as WasmBackend;
    expect(gemmOf(hidden)).toBeUndefined();
    const other = { wasm: { HEAPU8, asm: { memory: { buffer: new ArrayBuffer(8) } } } } as unknown as WasmBackend;
    expect(gemmOf(other)).toBeUndefined();
    const noMemory = { wasm: { HEAPU8, asm: { memory: { buffer: HEAPU8.buffer } } } } as unknown as WasmBackend;
    expect(gemmOf(noMemory)).toBeUndefined();
  });
});

describe('fused matMul', () => {
  const matrices = () => ({ a: tf.tensor2d(draw(15), [5, 3]), b: tf.tensor2d(draw(27), [3, 9]) });

  test.each(['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu', 'prelu'] as const)(
    '%s of a product with a bias is that of its parts',
    async (activation) => {
      const parts = tf.tidy(() => {
        const { a, b } = matrices();
        const bias = tf.tensor1d(draw(9));
        const weights = tf.tensor1d(draw(9));
        const sum = tf.add(tf.matMul(a, b), bias);
        const plain = {
          linear: () => sum,
          relu: () => tf.relu(sum),
          relu6: () => tf.relu6(sum),
          elu: () => tf.elu(sum),
          sigmoid: () => tf.sigmoid(sum),
          leakyrelu: () => tf.leakyRelu(sum, 0.3),
          prelu: () => tf.prelu(sum, weights),
        }[activation]();
        const fused = tf.fused.matMul({
          a,
          b,
          bias,
          activation,
          leakyreluAlpha: 0.3,
          ...(activation === 'prelu' ? { preluActivationWeights: weights } : {}),
        });
        return [plain, fused] as const;
      });
      const [plain, fused] = await Promise.all(parts.map((x) => x.data()));
      expect(maxError(fused!, plain!, float32)).toBeLessThan(1);
      tf.dispose([...parts]);
    },
  );
});

describe('moves of rows', () => {
  const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
  const dtype = fc.constantFrom('float32' as const, 'int32' as const, 'bool' as const);
  const numbers = (size: number, type: string): number[] =>
    Array.from({ length: size }, (_, i) => (type === 'bool' ? ((i * 7) % 3) & 1 : i + 1));
  /** x[index] for a flat row-major x. */
  const at = (x: number[], shape: number[], index: number[]): number =>
    x[index.reduce((flat, i, d) => flat * shape[d]! + i, 0)]!;
  /** Every index of a shape, in order. */
  const indicesOf = (shape: number[]): number[][] =>
    shape.reduce<number[][]>((all, n) => all.flatMap((i) => Array.from({ length: n }, (_, j) => [...i, j])), [[]]);

  test('slice takes a box, whatever its sides', async () => {
    await forAllAsync(
      [shape, dtype, fc.array(fc.nat(), { minLength: 8, maxLength: 8 })],
      async (dims, type, chosen) => {
        const begin = dims.map((n, d) => chosen[d]! % n);
        const size = dims.map((n, d) => chosen[d + 4]! % (n - begin[d]! + 1));
        const x = numbers(sizeOf(dims), type);
        const t = tf.tensor(x, dims, type);
        const y = tf.slice(t, begin, size);
        expect([y.shape, y.dtype]).toEqual([size, type]);
        expect([...(await y.data())]).toEqual(
          indicesOf(size).map((i) =>
            at(
              x,
              dims,
              i.map((v, d) => v + begin[d]!),
            ),
          ),
        );
        tf.dispose([t, y]);
      },
    );
    const t = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
    const rest = tf.slice(t, [0, 1], [-1, -1]);
    const row = tf.slice(t, 1);
    expect([...(await rest.data()), ...(await row.data())]).toEqual([2, 3, 5, 6, 4, 5, 6]);
    const words = tf.tensor2d(['a', 'b', 'c', 'd'], [2, 2]);
    const last = tf.slice(words, [0, 1], [2, 1]);
    expect(await last.data()).toEqual(['b', 'd']);
    tf.dispose([t, rest, row, words, last]);
  });

  test('split gives the parts of concat', async () => {
    await forAllAsync([shape, dtype, fc.nat(), fc.nat()], async (dims, type, which, cut) => {
      const axis = which % dims.length;
      const first = cut % (dims[axis]! + 1);
      const t = tf.tensor(numbers(sizeOf(dims), type), dims, type);
      const sizes = [first, dims[axis]! - first];
      const parts = tf.split(t, sizes, axis);
      const again = tf.concat(parts, axis);
      expect(parts.map((part) => part.shape[axis])).toEqual(sizes);
      expect([...(await again.data())]).toEqual([...(await t.data())]);
      const each = tf.split(t, dims[axis]!, axis - dims.length);
      expect(each).toHaveLength(dims[axis]!);
      const whole = tf.concat(each, axis);
      expect([...(await whole.data())]).toEqual([...(await t.data())]);
      tf.dispose([t, again, whole, ...parts, ...each]);
    });
  });

  test('gather takes rows along any axis, with and without batch dimensions', async () => {
    await forAllAsync(
      [shape, dtype, fc.nat(), fc.array(fc.nat(), { minLength: 1, maxLength: 5 })],
      async (dims, type, which, ids) => {
        const axis = which % dims.length;
        const rows = ids.map((id) => id % dims[axis]!);
        const x = numbers(sizeOf(dims), type);
        const t = tf.tensor(x, dims, type);
        const indices = tf.tensor1d(rows, 'int32');
        const y = tf.gather(t, indices, axis);
        const out = dims.map((n, d) => (d === axis ? rows.length : n));
        expect([y.shape, y.dtype]).toEqual([out, type]);
        const expected = indicesOf(out).map((i) =>
          at(
            x,
            dims,
            i.map((v, d) => (d === axis ? rows[v]! : v)),
          ),
        );
        expect([...(await y.data())]).toEqual(expected);
        tf.dispose([t, indices, y]);
      },
    );
    const x = tf.tensor3d(numbers(24, 'float32'), [2, 3, 4]);
    const ids = tf.tensor2d([2, 0, 1, 1], [2, 2], 'int32');
    const y = tf.gather(x, ids, 1, 1);
    expect([...(await y.data())]).toEqual([9, 10, 11, 12, 1, 2, 3, 4, 17, 18, 19, 20, 17, 18, 19, 20]);
    tf.dispose([x, ids, y]);
  });

  test.runIf(onWasm)('gather refuses an index that is not there', () => {
    const x = tf.zeros([3, 2]);
    const before = numDataIds();
    for (const index of [-1, 3]) {
      const ids = tf.tensor1d([0, index], 'int32');
      expect(() => tf.gather(x, ids)).toThrow(`GatherV2: the index value ${index} is not in [0, 2]`);
      ids.dispose();
    }
    expect(numDataIds()).toBe(before);
    x.dispose();
  });

  test('transpose puts the axes in any order', async () => {
    const sides = fc.array(fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 17, 20), { minLength: 1, maxLength: 6 });
    const orders = fc.array(fc.nat(), { minLength: 6, maxLength: 6 });
    await forAllAsync(
      [sides.filter((dims) => sizeOf(dims) <= 20_000), dtype, orders],
      async (dims, type, keys) => {
        const perm = dims.map((_, d) => d).sort((a, b) => keys[a]! - keys[b]! || a - b);
        const x = numbers(sizeOf(dims), type);
        const t = tf.tensor(x, dims, type);
        const y = tf.transpose(t, perm);
        const out = perm.map((axis) => dims[axis]!);
        expect([y.shape, y.dtype]).toEqual([out, type]);
        const strides = dims.map((_, d) => sizeOf(dims.slice(d + 1)));
        const expected = indicesOf(out).map((i) => x[i.reduce((flat, v, d) => flat + v * strides[perm[d]!]!, 0)]!);
        expect([...(await y.data())]).toEqual(expected);
        tf.dispose([t, y]);
      },
      { runs: 400 },
    );
  });

  test('transpose of nothing, of one matrix of every size around the tile, and of what has six axes', async () => {
    const ids = numDataIds();
    for (const [dims, perm] of [
      [
        [0, 3],
        [1, 0],
      ],
      [
        [3, 0, 2],
        [2, 0, 1],
      ],
      [
        [2, 3, 2, 2, 2, 3],
        [5, 2, 0, 4, 1, 3],
      ],
    ] as const satisfies (readonly [readonly number[], readonly number[]])[]) {
      const t = tf.tensor(numbers(sizeOf(dims), 'float32'), [...dims]);
      const y = tf.transpose(t, [...perm]);
      const back = tf.transpose(
        y,
        perm.map((_, d) => (perm as readonly number[]).indexOf(d)),
      );
      expect([y.shape, [...(await back.data())]]).toEqual([perm.map((axis) => dims[axis]), [...(await t.data())]]);
      tf.dispose([t, y, back]);
    }
    for (const rows of [1, 3, 4, 5, 15, 16, 17, 33]) {
      for (const columns of [1, 2, 3, 4, 5, 8, 9, 31]) {
        const x = draw(rows * columns);
        const t = tf.tensor2d(x, [rows, columns]);
        const y = tf.transpose(t);
        const expected = Array.from(
          { length: rows * columns },
          (_, e) => x[(e % rows) * columns + Math.floor(e / rows)],
        );
        expect([...(await y.data())]).toEqual(expected);
        tf.dispose([t, y]);
      }
    }
    expect(numDataIds()).toBe(ids);
  });

  test('the sum of long rows errs like a sum of blocks, and passes NaN and infinities on', async () => {
    for (const width of [15, 16, 17, 1023, 1024, 1025, 3000]) {
      const x = draw(3 * width).map(Math.abs);
      const t = tf.tensor2d(x, [3, width]);
      const [rows, all] = [tf.sum(t, 1), tf.sum(t)];
      const exact = [0, 1, 2].map((i) => x.slice(i * width, (i + 1) * width).reduce((a, b) => a + b, 0));
      expect(maxError(await rows.data(), exact, { absolute: 0, relative: 4e-6 })).toBeLessThan(1);
      const total = exact.reduce((a, b) => a + b, 0);
      expect(maxError(await all.data(), [total], { absolute: 0, relative: onWasm ? 4e-6 : 1e-4 })).toBeLessThan(1);
      tf.dispose([t, rows, all]);
    }
    for (const at of [0, 20, 1030]) {
      const rows = [NaN, Infinity, 1].map((special) => draw(1031).map((v, i) => (i === at ? special : v)));
      const t = tf.tensor2d(rows.flat(), [3, 1031]);
      const y = tf.sum(t, 1);
      const [a, b, c] = await y.data();
      expect([a, b, Number.isFinite(c)]).toEqual([NaN, Infinity, true]);
      tf.dispose([t, y]);
    }
  });

  test('the sum over any axes, kept or not', async () => {
    await forAllAsync([shape, fc.nat(15), fc.boolean()], async (dims, chosen, keepDims) => {
      const axes = dims.map((_, d) => d).filter((d) => (chosen >> d) & 1);
      const x = draw(sizeOf(dims));
      const kept = dims.map((n, d) => (axes.includes(d) ? 1 : n));
      const expected = new Float64Array(sizeOf(kept));
      indicesOf(dims).forEach((index, flat) => {
        expected[index.reduce((to, i, d) => to * kept[d]! + (axes.includes(d) ? 0 : i), 0)]! += x[flat]!;
      });
      const t = tf.tensor(x, dims);
      const y = tf.sum(t, axes, keepDims);
      expect(y.shape).toEqual(keepDims ? kept : dims.filter((_, d) => !axes.includes(d)));
      expect(maxError(await y.data(), expected, dotProduct(256, 4))).toBeLessThan(1);
      tf.dispose([t, y]);
    });
    const whole = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2], 'int32');
    const y = tf.sum(whole, 0);
    expect([y.dtype, ...(await y.data())]).toEqual(['int32', 9, 12]);
    const special = tf.tensor2d([NaN, 1, Infinity, 2, 3, 4], [2, 3]);
    const z = tf.sum(special, 0);
    expect([...(await z.data())]).toEqual([NaN, 4, Infinity]);
    tf.dispose([whole, y, special, z]);
  });
});

test('a slice beyond its tensor is refused, and reads nothing else', () => {
  tf.tidy(() => {
    expect(() => tf.slice(tf.tensor1d([1, 2, 3]), 1, 8)).toThrow(
      'begin[0] + size[0] (9) would overflow input.shape[0] (3)',
    );
  });
});

test.runIf(onWasm)('a heap that is full is an error, not address 0', () => {
  const { wasm } = tf.backend() as unknown as { wasm: { _malloc(bytes: number): number; _free(at: number): void } };
  const taken: number[] = [];
  try {
    expect(() => {
      for (let i = 0; i < 16; i++) taken.push(wasm._malloc(2 ** 29)); // never written to, so it costs no real memory
    }).toThrow('wasm: its memory, which ends at 4 GiB, has no 536870912 bytes left; use smaller batches');
  } finally {
    for (const address of taken) wasm._free(address);
  }
});

describe('gather and its gradient', () => {
  test('sums over duplicate ids', async () => {
    await forAllAsync(
      [fc.array(fc.nat(4), { minLength: 1, maxLength: 20 }), fc.constantFrom<number[]>([], [3], [2, 3], [4], [37])],
      async (ids, inner) => {
        const width = sizeOf(inner);
        const w = draw(ids.length * width);
        const expected = new Float64Array(5 * width);
        ids.forEach((id, row) => {
          for (let i = 0; i < width; i++) expected[id * width + i]! += w[row * width + i]!;
        });
        const x = tf.tensor(draw(5 * width), [5, ...inner]);
        const indices = tf.tensor1d(ids, 'int32');
        const gradient = tf.grad((y) => weigh(tf.gather(y, indices), w))(x);
        expect(gradient.shape).toEqual(x.shape);
        expect(maxError(await gradient.data(), expected, dotProduct(20, 4))).toBeLessThan(1);
        tf.dispose([x, indices, gradient]);
      },
      { runs: 50 },
    );
  });

  test('an embedding: ids [B, S] out of a table [V, H]', async () => {
    const table = tf.tensor2d(draw(12), [4, 3]);
    const ids = tf.tensor2d([1, 1, 3, 0, 1, 3], [2, 3], 'int32');
    const gradient = tf.grad((x) => tf.sum(tf.gather(x, ids)) as tf.Scalar)(table);
    expect([...(await gradient.data())]).toEqual([1, 1, 1, 3, 3, 3, 0, 0, 0, 2, 2, 2]);
    tf.dispose([table, ids, gradient]);
  });

  test('unsortedSegmentSum drops ids out of range, and sums integers', async () => {
    const x = tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]);
    const ids = tf.tensor1d([2, -1, 2, 3], 'int32');
    const sums = tf.unsortedSegmentSum(x, ids, 3);
    expect([sums.shape, [...(await sums.data())]]).toEqual([
      [3, 2],
      [0, 0, 0, 0, 6, 8],
    ]);
    const counts = tf.tensor1d([5, 6, 7, 8], 'int32');
    const total = tf.unsortedSegmentSum(counts, ids, 3);
    expect([...(await total.data())]).toEqual([0, 0, 12]);
    tf.dispose([x, ids, sums, counts, total]);
  });
});

describe('kernels of wasm that were wrong', () => {
  const valuesOf = async (make: () => tf.Tensor): Promise<number[]> => {
    const y = tf.tidy(make);
    const values = [...(await y.data())];
    y.dispose();
    return values;
  };

  test('oneHot in float32, and in int32 as before', async () => {
    const hot = (dtype: 'float32' | 'int32') => () =>
      tf.oneHot(tf.tensor2d([1, 0, 3, -1], [2, 2], 'int32'), 3, 2, -1, dtype);
    const expected = [-1, 2, -1, 2, -1, -1, -1, -1, -1, -1, -1, -1];
    expect(await valuesOf(hot('float32'))).toEqual(expected);
    expect(await valuesOf(hot('int32'))).toEqual(expected);
    const y = tf.tidy(() => tf.oneHot(tf.tensor1d([1], 'int32'), 2, 1, 0, 'float32'));
    expect([y.dtype, y.shape]).toEqual(['float32', [1, 2]]);
    y.dispose();
  });

  test('clipByValue keeps NaN, and clips the rest', async () => {
    const x = [NaN, -Infinity, -2, -1, 0.25, 1, 3, Infinity];
    expect(await valuesOf(() => tf.clipByValue(tf.tensor1d(x), -1, 1))).toEqual([NaN, -1, -1, -1, 0.25, 1, 1, 1]);
    expect(await valuesOf(() => tf.clipByValue(tf.tensor1d([-3, 0, 3], 'int32'), -1, 1))).toEqual([-1, 0, 1]);
  });

  test('log1p of small numbers', async () => {
    const x = [0, 1e-8, -1e-8, 1e-20, 3e-5, 0.5, 1000, -0.5, -1, NaN].map(Math.fround);
    const y = await valuesOf(() => tf.log1p(tf.tensor1d(x)));
    expect(maxError(y, x.map(Math.log1p), { absolute: 0, relative: 2e-7 })).toBeLessThan(1);
  });

  test('the sum over an empty axis is 0', async () => {
    for (let i = 0; i < 10; i++) {
      const sum = () => {
        tf.fill([8], 7); // what the memory would hold
        return tf.sum(tf.zeros([8, 0]), 1);
      };
      expect(await valuesOf(sum)).toEqual(Array(8).fill(0));
      expect(await valuesOf(() => tf.sum(tf.zeros([0])))).toEqual([0]);
    }
    expect(await valuesOf(() => tf.sum(tf.tensor2d([1, 2, 3, 4], [2, 2]), 1))).toEqual([3, 7]);
  });
});

describe('sharing of data', () => {
  test('a snapshot of a variable stays what it was, and its data are freed once', async () => {
    const ids = numDataIds();
    const { numDataBuffers, numBytes } = tf.memory();
    const v = tf.tidy(() => tf.variable(tf.tensor1d([1, 2, 3])));
    const snapshot = tf.clone(v);
    const again = tf.clone(snapshot);
    expect(numDataIds() - ids).toBe(1);
    tf.tidy(() => v.assign(tf.tensor1d([4, 5, 6])));
    expect([...(await snapshot.data())]).toEqual([1, 2, 3]);
    snapshot.dispose();
    expect([...(await again.data())]).toEqual([1, 2, 3]);
    expect([...(await v.data())]).toEqual([4, 5, 6]);
    expect(numDataIds() - ids).toBe(2);
    again.dispose();
    v.dispose();
    expect([numDataIds(), tf.memory().numDataBuffers, tf.memory().numBytes]).toEqual([ids, numDataBuffers, numBytes]);
  });

  test('reshape, keep, cast to the same type and identity gradients share and free alike', async () => {
    const ids = numDataIds();
    const x = tf.tensor2d(draw(6), [2, 3]);
    const copies = [tf.reshape(x, [3, 2]), tf.keep(tf.clone(x)), tf.cast(x, 'float32'), tf.expandDims(x)];
    const gradient = tf.grad((y) => tf.sum(tf.square(tf.clone(y))) as tf.Scalar)(x);
    expect(
      maxError(
        await gradient.data(),
        (await x.data()).map((v) => 2 * v),
        float32,
      ),
    ).toBeLessThan(1);
    x.dispose();
    expect((await copies[3]?.data())?.length).toBe(6);
    tf.dispose([copies, gradient] as tf.TensorContainer);
    expect(numDataIds()).toBe(ids);
  });
});

test.runIf(onWasm)(
  'a tensor that still lies on another backend may make the heap grow in the middle of a move',
  async () => {
    await tf.setBackend('cpu');
    const big = [0, 1, 2].map(() => tf.fill([4, 9e6], 7));
    await tf.setBackend('wasm');
    const [sliced, gathered, parts] = [
      tf.slice(big[0] as tf.Tensor, [1, 0], [1, 3]),
      tf.tidy(() => tf.gather(big[1] as tf.Tensor, tf.tensor1d([3], 'int32'))),
      tf.split(big[2] as tf.Tensor, 2, 0),
    ];
    expect([...(await sliced.data())]).toEqual([7, 7, 7]);
    expect((await gathered.data()).every((x) => x === 7)).toBe(true);
    expect((await (parts[1] as tf.Tensor).data()).at(-1)).toBe(7);
    tf.dispose([big, sliced, gathered, parts] as tf.TensorContainer);
  },
);

test('a kernel that throws leaves no data behind', () => {
  const hidden = tf.zeros([1, 2]);
  const weight = tf.zeros([3, 2]);
  const ids = tf.zeros([1], 'int32');
  const columns = tf.zeros([1, 1]);
  const slopes = (): void => {
    throw new Error('no slope');
  };
  const attrs = { temperature: 1, ignoreId: -100, entropy: false, slopes } as unknown as tf.NamedAttrMap;
  const before = numDataIds();
  for (const [name, inputs] of [
    ['TsrlLinearTokenGradients', { hidden, weight, ids, columns }],
    ['TsrlTokenGradients', { logits: hidden, ids, columns }],
  ] as const) {
    expect(() => tf.engine().runKernel(name, inputs as unknown as tf.NamedTensorMap, attrs)).toThrow('no slope');
  }
  expect(numDataIds()).toBe(before);
  tf.dispose([hidden, weight, ids, columns]);
});

test.runIf(onWasm)('AdamW keeps the numbers of a copy of its moments that was made on another backend', async () => {
  await tf.setBackend('cpu');
  const m = tf.ones([4]);
  const copy = tf.clone(m);
  await tf.setBackend('wasm');
  const rest = { v: tf.ones([4]), grad: tf.fill([4], 2), variable: tf.zeros([4]) };
  const attrs = { beta1: 0.5, beta2: 0.5, scale: -1, root: 1, epsilon: 1, shrink: 0 };
  const results = tf.engine().runKernel('TsrlAdamW', { m, ...rest }, attrs) as unknown as tf.Tensor[];
  expect([...(await (results[0] as tf.Tensor).data())]).toEqual([1.5, 1.5, 1.5, 1.5]);
  expect([...(await copy.data())]).toEqual([1, 1, 1, 1]);
  tf.dispose([m, copy, rest, results] as unknown as tf.TensorContainer);
});
