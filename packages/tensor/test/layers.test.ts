import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { installFastKernels, uninstallFastKernels } from '@tsrl/kernels/tfjs';
import { finiteDifference, float32, forAllAsync, maxError, type Tolerance } from '@tsrl/testing';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  attentionAt,
  causalAttention,
  causalSoftmax,
  gelu,
  layerNorm,
  rmsNorm,
  rotary,
  silu,
  swiglu,
} from '../src/index.ts';

/** Float32 numbers in float64. */
const draw = (size: number, seed: number, scale = 1): Float64Array => {
  const rng = createRng(seed);
  return Float64Array.from({ length: size }, () => Math.fround(scale * rng.normal()));
};
const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** A differentiable function: as it is called, and as the definition has it in float64. */
interface Subject {
  readonly shapes: readonly (readonly number[])[];
  readonly run: (...inputs: tf.Tensor[]) => tf.Tensor;
  readonly oracle: (...inputs: Float64Array[]) => Float64Array;
}

/** The value and every gradient of Σ w f, against the oracle and its finite differences. */
async function expectRight(
  { shapes, run, oracle }: Subject,
  inputs: readonly Float64Array[],
  tolerance: Tolerance = float32,
): Promise<void> {
  const value = oracle(...inputs);
  const seed = inputs.reduce((sum, x) => sum + Math.abs(Math.round(1e6 * (x[0] ?? 0))), 0);
  const w = draw(value.length, seed);
  const tensors = inputs.map((x, i) => tf.tensor(Float32Array.from(x), [...(shapes[i] ?? [])], 'float32'));
  const got = tf.tidy(() => {
    const weights = tf.tensor(Float32Array.from(w), undefined, 'float32');
    let out: tf.Tensor | undefined;
    const grads = tf.grads((...args: tf.Tensor[]) => {
      const y = run(...args);
      out = tf.keep(tf.clone(y));
      return tf.sum(tf.mul(tf.reshape(y, [-1]), weights));
    })(tensors);
    return [out as tf.Tensor, ...grads];
  });
  const numbers = await Promise.all(got.map((x) => x.data()));
  tf.dispose([...got, ...tensors]);
  expect(maxError(numbers[0] as Float32Array, value, tolerance)).toBeLessThanOrEqual(1);
  for (const [i, x] of inputs.entries()) {
    // Every element of a small input, and some of a large one, others in each run.
    const places = Array.from(x.keys())
      .sort((a, b) => hash(a + seed) - hash(b + seed))
      .slice(0, 16);
    const loss = (moved: Float64Array): number => {
      const changed = x.slice();
      for (const [k, place] of places.entries()) changed[place] = moved[k]!;
      return oracle(...inputs.map((other, j) => (j === i ? changed : other))).reduce((sum, y, k) => sum + y * w[k]!, 0);
    };
    const want = finiteDifference(
      loss,
      places.map((place) => x[place]!),
    );
    const gradient = numbers[i + 1] as Float32Array;
    expect(gradient).toHaveLength(x.length);
    expect([
      i,
      maxError(
        places.map((place) => gradient[place]!),
        want,
        tolerance,
      ),
    ]).toEqual([i, expect.toSatisfy((error: number) => error <= 1)]);
  }
}

/** Some order of the integers. */
const hash = (n: number): number => Math.imul(n + 1, 0x9e3779b1) >>> 0;

const rows = (x: Float64Array, width: number, f: (row: Float64Array, i: number) => ArrayLike<number>): Float64Array => {
  const out = new Float64Array(x.length);
  for (let i = 0; i * width < x.length; i++)
    out.set(Array.from(f(x.subarray(i * width, (i + 1) * width), i)), i * width);
  return out;
};
const mean = (x: Float64Array): number => x.reduce((sum, value) => sum + value, 0) / x.length;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Φ by its Taylor series around 0 where that converges fast, by the continued fraction of its tail elsewhere. */
function normal(x: number): number {
  const z = Math.abs(x);
  if (z < 3) {
    let [term, sum] = [z, z];
    for (let k = 1; k < 80; k++) sum += term *= (z * z) / (2 * k + 1);
    const half = (sum * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
    return x < 0 ? 0.5 - half : 0.5 + half;
  }
  let fraction = z;
  for (let k = 60; k > 0; k--) fraction = z + k / fraction;
  const tail = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI) / fraction;
  return x < 0 ? tail : 1 - tail;
}

const scalarFunctions = {
  silu: { run: (x: tf.Tensor) => silu(x), f: (x: number) => x * sigmoid(x) },
  gelu: { run: (x: tf.Tensor) => gelu(x), f: (x: number) => x * normal(x) },
  'gelu by tanh': {
    run: (x: tf.Tensor) => gelu(x, { approximate: 'tanh' }),
    f: (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  },
};

function rotate(x: Float64Array, position: number, theta: number, sign = 1): Float64Array {
  const half = x.length / 2;
  return x.map((value, i) => {
    const angle = position * theta ** ((-2 * (i % half)) / x.length);
    const partner = i < half ? -x[i + half]! : x[i - half]!;
    return value * Math.cos(angle) + sign * partner * Math.sin(angle);
  });
}

interface Heads {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly size: number;
  readonly theta: number | undefined;
}

/** The output of head h of the query at `position`, over keys and values that start at `kv` in rows of `step`. */
function attend(
  query: Float64Array,
  position: number,
  h: number,
  row: (token: number) => Float64Array,
  { heads, keyValueHeads, size, theta }: Heads,
): Float64Array {
  const turn = (x: Float64Array, at: number): Float64Array => (theta === undefined ? x : rotate(x, at, theta));
  const g = Math.floor((h * keyValueHeads) / heads);
  const q = turn(query, position);
  const scores = Array.from({ length: position + 1 }, (_, j) => {
    const k = turn(row(j).slice(g * size, (g + 1) * size), j);
    return q.reduce((sum, x, c) => sum + x * k[c]!, 0) / Math.sqrt(size);
  });
  const top = Math.max(...scores);
  const shares = scores.map((s) => Math.exp(s - top));
  const total = shares.reduce((sum, e) => sum + e, 0);
  return Float64Array.from({ length: size }, (_, c) =>
    shares.reduce((sum, e, j) => sum + (e / total) * row(j)[(keyValueHeads + g) * size + c]!, 0),
  );
}

const packedAttention = (sizes: Heads): Subject => {
  const { batch, length, heads, keyValueHeads, size, theta } = sizes;
  const [wide, width] = [heads * size, (heads + 2 * keyValueHeads) * size];
  return {
    shapes: [[batch * length, width]],
    run: (qkv) =>
      causalAttention(qkv as tf.Tensor2D, { length, heads, keyValueHeads, ...(theta ? { rotary: { theta } } : {}) }),
    oracle(qkv) {
      const out = new Float64Array(batch * length * wide);
      for (let b = 0; b < batch; b++) {
        const token = (j: number): Float64Array => qkv.subarray((b * length + j) * width, (b * length + j + 1) * width);
        for (let i = 0; i < length; i++) {
          for (let h = 0; h < heads; h++) {
            const query = token(i).slice(h * size, (h + 1) * size);
            const mixed = attend(query, i, h, (j) => token(j).subarray(wide), sizes);
            out.set(mixed, (b * length + i) * wide + h * size);
          }
        }
      }
      return out;
    },
  };
};

const attentionOfOne = (sizes: Heads, positions: readonly number[]): Subject => {
  const { batch, length, heads, keyValueHeads, size, theta } = sizes;
  const [wide, width] = [heads * size, 2 * keyValueHeads * size];
  return {
    shapes: [
      [batch, wide],
      [batch * length, width],
    ],
    run: (q, kv) => {
      const at = tf.tensor1d([...positions], 'int32');
      const options = { heads, keyValueHeads, ...(theta ? { rotary: { theta } } : {}) };
      return attentionAt(q as tf.Tensor2D, kv as tf.Tensor2D, at, options);
    },
    oracle(q, kv) {
      const out = new Float64Array(batch * wide);
      for (let b = 0; b < batch; b++) {
        const row = (j: number): Float64Array => kv.subarray((b * length + j) * width, (b * length + j + 1) * width);
        for (let h = 0; h < heads; h++) {
          const at = b * wide + h * size;
          out.set(attend(q.slice(at, at + size), positions[b]!, h, row, sizes), at);
        }
      }
      return out;
    },
  };
};

const anyHeads = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    length: fc.integer({ min: 1, max: 9 }),
    group: fc.integer({ min: 1, max: 3 }),
    keyValueHeads: fc.integer({ min: 1, max: 2 }),
    half: fc.integer({ min: 1, max: 5 }),
    theta: fc.constantFrom(undefined, 10, 10_000),
  })
  .map(({ group, half, theta, ...rest }) => ({
    ...rest,
    heads: group * rest.keyValueHeads,
    size: theta === undefined ? half : 2 * half,
    theta,
  }));

/**
 * Sums of up to 100 products of order one, each rounded at 6e-8 of a partial sum; the derivative of a norm divides
 * by what may be small.
 */
const ofSums: Tolerance = { absolute: 6e-6, relative: 2e-5 };

describe.each(['with kernels', 'composed'])('%s', (way) => {
  beforeAll(() => {
    if (way === 'composed') uninstallFastKernels();
    expect(tf.getKernel('TsrlRmsNorm', tf.getBackend()) !== undefined).toBe(way !== 'composed');
  });
  afterAll(() => {
    installFastKernels();
  });

  const widths = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(31, 32, 33, 63, 64, 65));

  test('rmsNorm', async () => {
    await forAllAsync(
      [fc.integer({ min: 1, max: 4 }), widths, fc.nat(), fc.constantFrom(1e-5, 1e-2, 0.3)],
      async (n, width, seed, epsilon) => {
        const subject: Subject = {
          shapes: [[n, width], [width]],
          run: (x, weight) => rmsNorm(x, weight as tf.Tensor1D, { epsilon }),
          oracle: (x, weight) =>
            rows(x, width, (row) => {
              const root = Math.sqrt(mean(row.map((value) => value ** 2)) + epsilon);
              return row.map((value, i) => (weight[i]! * value) / root);
            }),
        };
        // Rows of order 3: where one is near 0, its gradient is as large as 1 / √ε.
        await expectRight(subject, [draw(n * width, seed, 3), draw(width, seed + 1)], ofSums);
      },
      { runs: 25 },
    );
  });

  test('layerNorm', async () => {
    await forAllAsync(
      [fc.integer({ min: 1, max: 4 }), widths, fc.nat()],
      async (n, width, seed) => {
        const subject: Subject = {
          shapes: [[n, 1, width], [width], [width]],
          run: (x, weight, bias) => layerNorm(x, weight as tf.Tensor1D, bias as tf.Tensor1D, { epsilon: 0.1 }),
          oracle: (x, weight, bias) =>
            rows(x, width, (row) => {
              const centered = row.map((value) => value - mean(row));
              const root = Math.sqrt(mean(centered.map((value) => value ** 2)) + 0.1);
              return centered.map((value, i) => (weight[i]! * value) / root + bias[i]!);
            }),
        };
        await expectRight(subject, [draw(n * width, seed), draw(width, seed + 1), draw(width, seed + 2)], ofSums);
      },
      { runs: 25 },
    );
  });

  test('more rows than are summed at once', async () => {
    const [n, width] = [200, 5];
    const x = draw(n * width, 3);
    const weight = tf.tensor1d([1, 2, 3, 4, 5]);
    const tensor = tf.tensor2d(Float32Array.from(x), [n, width]);
    const grads = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sum(rmsNorm(a, b as tf.Tensor1D)))([tensor, weight]);
    const scales = Array.from(
      { length: n },
      (_, i) => 1 / Math.sqrt(mean(x.slice(5 * i, 5 * i + 5).map((v) => v * v)) + 1e-5),
    );
    const want = [0, 1, 2, 3, 4].map((c) => scales.reduce((sum, r, i) => sum + r * x[i * width + c]!, 0));
    expect(
      maxError((await grads[1]!.data()) as Float32Array, want, { absolute: 2e-5, relative: 2e-5 }),
    ).toBeLessThanOrEqual(1);
    tf.dispose([weight, tensor, ...grads]);
  });

  test.each(Object.entries(scalarFunctions))('%s', async (_, { run, f }) => {
    await forAllAsync(
      [fc.integer({ min: 1, max: 19 }), fc.nat(), fc.constantFrom(0.1, 1, 4)],
      async (n, seed, scale) => {
        const subject: Subject = { shapes: [[n]], run: (x) => run(x), oracle: (x) => x.map(f) };
        await expectRight(subject, [draw(n, seed, scale)]);
      },
      { runs: 25 },
    );
  });

  test('activations far from 0 are the line or 0, and so is their slope; NaN stays', async () => {
    for (const { run } of Object.values(scalarFunctions)) {
      const x = tf.tensor1d([1e4, 1e20, -1e4, -1e20, Number.NaN, 0]);
      const y = run(x);
      const slope = tf.grad((z) => tf.sum(run(z)))(x);
      const [values, slopes] = [await y.data(), await slope.data()];
      expect(
        maxError(values, [1e4, Math.fround(1e20), 0, 0, Number.NaN, 0], { absolute: 1e-30, relative: 3e-7 }),
      ).toBeLessThanOrEqual(1);
      expect(maxError(slopes, [1, 1, 0, 0, Number.NaN, 0.5], { absolute: 1e-30, relative: 3e-7 })).toBeLessThanOrEqual(
        1,
      );
      tf.dispose([x, y, slope]);
    }
  });

  test('swiglu', async () => {
    await forAllAsync(
      [fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 9 }), fc.nat()],
      async (n, width, seed) => {
        const subject: Subject = {
          shapes: [
            [n, width],
            [n, width],
          ],
          run: (gate, up) => swiglu(gate, up),
          oracle: (gate, up) => gate.map((g, i) => g * sigmoid(g) * up[i]!),
        };
        await expectRight(subject, [draw(n * width, seed, 2), draw(n * width, seed + 1)]);
      },
      { runs: 25 },
    );
  });

  test('rotary', async () => {
    await forAllAsync(
      [anyHeads, fc.nat()],
      async ({ batch, length, heads, size: half }, seed) => {
        const size = 2 * half;
        const subject: Subject = {
          shapes: [[batch, length, heads, size]],
          run: (x) => rotary(x, { theta: 100 }),
          oracle: (x) => rows(x, size, (head, i) => rotate(head, Math.floor(i / heads) % length, 100)),
        };
        await expectRight(subject, [draw(sizeOf(subject.shapes[0]!), seed)]);
      },
      { runs: 25 },
    );
  });

  test('causalSoftmax', async () => {
    await forAllAsync(
      [fc.integer({ min: 1, max: 3 }), fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(17, 24)), fc.nat()],
      async (matrices, length, seed) => {
        const subject: Subject = {
          shapes: [[matrices, length, length]],
          run: (x) => causalSoftmax(x),
          oracle: (x) =>
            rows(x, length, (row, i) => {
              const seen = row.map((s, j) => (j <= i % length ? Math.exp(s) : 0));
              return seen.map((e) => e / seen.reduce((sum, other) => sum + other, 0));
            }),
        };
        await expectRight(subject, [draw(matrices * length * length, seed, 2)]);
      },
      { runs: 25 },
    );
  });

  test('causalSoftmax of scores of 1e5, of −∞, and what lies in the future', async () => {
    const x = tf.tensor2d([1e5, Number.NaN, -Infinity, 99999, 1e5, Infinity, -Infinity, 2, 2], [3, 3]);
    const y = causalSoftmax(x);
    const e = Math.exp(-1);
    expect(maxError(await y.data(), [1, 0, 0, e / (1 + e), 1 / (1 + e), 0, 0, 0.5, 0.5], float32)).toBeLessThanOrEqual(
      1,
    );
    tf.dispose([x, y]);
  });

  test('causalAttention', async () => {
    await forAllAsync(
      [anyHeads, fc.nat()],
      async (sizes, seed) => {
        const subject = packedAttention(sizes);
        await expectRight(subject, [draw(sizeOf(subject.shapes[0]!), seed)], ofSums);
      },
      { runs: 20 },
    );
  });

  test('attentionAt', async () => {
    await forAllAsync(
      [anyHeads, fc.nat(), fc.array(fc.nat(), { minLength: 3, maxLength: 3 })],
      async (sizes, seed, places) => {
        const subject = attentionOfOne(
          sizes,
          places.slice(0, sizes.batch).map((place) => place % sizes.length),
        );
        const [q, kv] = subject.shapes.map(sizeOf) as [number, number];
        await expectRight(subject, [draw(q, seed), draw(kv, seed + 1)], ofSums);
      },
      { runs: 20 },
    );
  });

  test('a constant input is not differentiated, and nothing is left behind', () => {
    const [x, weight] = [tf.ones([2, 3]), tf.ones<tf.Rank.R1>([3])];
    const before = tf.memory().numTensors;
    const grad = tf.grad((w) => tf.sum(rmsNorm(x, w as tf.Tensor1D)))(weight);
    expect(tf.memory().numTensors - before).toBe(1);
    const results = [rmsNorm(x, weight), layerNorm(x, weight, weight), silu(x), gelu(x), swiglu(x, x)];
    expect(tf.memory().numTensors - before).toBe(6);
    tf.dispose([x, weight, grad, ...results]);
  });
});

test('both ways agree where rows are long, to rounding', async () => {
  const sizes = { batch: 2, length: 130, heads: 4, keyValueHeads: 2, size: 16, theta: 1000 };
  const { run, shapes } = packedAttention(sizes);
  const qkv = tf.tensor2d(Float32Array.from(draw(sizeOf(shapes[0]!), 5)), shapes[0] as [number, number]);
  const both = (): tf.Tensor[] => {
    const { value, grad } = tf.valueAndGrad((x) => tf.sum(tf.square(run(x))))(qkv);
    return [run(qkv), value, grad];
  };
  const kernels = both();
  uninstallFastKernels();
  const composed = both();
  installFastKernels();
  for (const [i, x] of kernels.entries()) {
    expect(maxError(await x.data(), await composed[i]!.data(), ofSums)).toBeLessThanOrEqual(1);
  }
  tf.dispose([qkv, ...kernels, ...composed]);
});

describe('what is wrong with the input is said', () => {
  const floats = (...shape: number[]): tf.Tensor => tf.zeros(shape);
  const cases: [string, () => tf.Tensor, string][] = [
    [
      'rmsNorm',
      () => rmsNorm(floats(2, 3), floats(2) as tf.Tensor1D),
      'rmsNorm: weight must be float32 [3]; got float32 [2]',
    ],
    [
      'rmsNorm',
      () => rmsNorm(tf.scalar(1), floats(1) as tf.Tensor1D),
      'rmsNorm: x must be float32 [..., H], H at least 1; got float32 []',
    ],
    [
      'epsilon',
      () => rmsNorm(floats(2), floats(2) as tf.Tensor1D, { epsilon: -1 }),
      'rmsNorm: epsilon must be finite, at least 0; got -1',
    ],
    [
      'layerNorm',
      () => layerNorm(floats(2), floats(2) as tf.Tensor1D, floats(3) as tf.Tensor1D),
      'layerNorm: bias must be float32 [2]; got float32 [3]',
    ],
    ['silu', () => silu(tf.zeros([2], 'int32')), 'silu: x must be float32 [2]; got int32 [2]'],
    [
      'gelu',
      () => gelu(floats(2), { approximate: 'erf' as 'none' }),
      "gelu: approximate must be 'none' or 'tanh'; got \"erf\"",
    ],
    ['swiglu', () => swiglu(floats(2), floats(3)), 'swiglu: up must be float32 [2] like gate; got float32 [3]'],
    [
      'rotary',
      () => rotary(floats(2, 1, 3)),
      'rotary: x must be float32 [..., S, heads, d], d even; got float32 [2, 1, 3]',
    ],
    ['theta', () => rotary(floats(2, 1, 2), { theta: 0 }), 'rotary: theta must be positive; got 0'],
    [
      'causalSoftmax',
      () => causalSoftmax(floats(2, 3)),
      'causalSoftmax: scores must be float32 [..., T, T]; got float32 [2, 3]',
    ],
    [
      'width',
      () => causalAttention(floats(4, 8) as tf.Tensor2D, { length: 2, heads: 2 }),
      'causalAttention: qkv must be of width 6 · d; got width 8',
    ],
    [
      'odd heads',
      () => causalAttention(floats(4, 6) as tf.Tensor2D, { length: 2, heads: 2, rotary: {} }),
      'causalAttention: qkv must be of width 6 · d, d even; got width 6',
    ],
    [
      'rows',
      () => causalAttention(floats(5, 6) as tf.Tensor2D, { length: 2, heads: 2 }),
      'causalAttention: qkv must be float32 [B · 2, 6]; got float32 [5, 6]',
    ],
    [
      'heads',
      () => causalAttention(floats(2, 6) as tf.Tensor2D, { length: 2, heads: 0 }),
      'causalAttention: heads must be an integer, at least 1; got 0',
    ],
    [
      'key heads',
      () => causalAttention(floats(2, 6) as tf.Tensor2D, { length: 2, heads: 2, keyValueHeads: 3 }),
      'causalAttention: keyValueHeads must be a divisor of heads, 2; got 3',
    ],
    [
      'length',
      () => causalAttention(floats(2, 6) as tf.Tensor2D, { length: 0, heads: 2 }),
      'causalAttention: length must be an integer, at least 1; got 0',
    ],
    [
      'kv',
      () => attentionAt(floats(2, 4) as tf.Tensor2D, floats(5, 8) as tf.Tensor2D, tf.zeros([2], 'int32'), { heads: 2 }),
      'attentionAt: kv must be float32 [2 · S, 8]; got float32 [5, 8]',
    ],
  ];
  test.each(cases)('%s', (_, run, message) => {
    expect(() => tf.tidy(run)).toThrow(message);
  });
});
