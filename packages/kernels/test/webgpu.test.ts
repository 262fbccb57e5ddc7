import * as tf from '@tensorflow/tfjs-core';
import { finiteDifference, float32, forAllAsync, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { installFastKernels, uninstallFastKernels } from '../src/tfjs/index.ts';
import type { Program } from '../src/tfjs/webgpu/backend.ts';

interface Attributes {
  readonly temperature: number;
  readonly ignoreId: number;
  readonly entropy: boolean;
}

interface Row extends Attributes {
  readonly x: readonly number[];
  readonly ids: readonly number[];
}

/** A row of statistics in float64: log-probs of the ids, log-normalizer, entropy. */
function statisticsOf({ x, ids, temperature, ignoreId, entropy }: Row): number[] {
  const top = Math.max(...x);
  const isEmpty = top === Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (const value of x) sum += isEmpty ? 0 : Math.exp((value - top) / temperature);
  const normalizer = isEmpty ? top : top / temperature + Math.log(sum);
  const logProbs = x.map((value) =>
    value === Number.NEGATIVE_INFINITY ? value : (value - top) / temperature - Math.log(sum),
  );
  let negated = 0;
  for (const lp of logProbs) negated += Math.exp(lp) === 0 ? 0 : Math.exp(lp) * lp;
  const isKnown = x.every((value) => value < Number.POSITIVE_INFINITY);
  const known = (value: number): number => (isKnown ? value : Number.NaN);
  return [
    ...ids.map((id) => (id === ignoreId ? 0 : known(logProbs[id] ?? Number.NaN))),
    known(normalizer),
    ...(entropy ? [known(-negated)] : []),
  ];
}

/** d Σ dy · statistics / dx, from the formula for one logit after the other. */
function gradientOf(row: Row, dy: readonly number[]): number[] {
  const { x, ids, temperature, ignoreId, entropy } = row;
  const { length } = ids;
  const all = statisticsOf({ ...row, ids: x.map((_, j) => j), ignoreId: -1, entropy: true });
  const rowEntropy = all.at(-1) as number;
  const isWanted = (id: number): boolean => id !== ignoreId && id >= 0 && id < x.length;
  const ofAll = ids.reduce((sum, id, k) => sum - (isWanted(id) ? (dy[k] as number) : 0), dy[length] as number);
  const plays = ofAll !== 0 || (entropy && dy[length + 1] !== 0);
  if (Number.isNaN(rowEntropy) && plays) return x.map(() => Number.NaN);
  return x.map((_, j) => {
    const logProb = plays ? (all[j] as number) : 0;
    const p = Math.exp(logProb);
    let slope = (dy[length] as number) * p;
    ids.forEach((id, k) => {
      if (!isWanted(id)) return;
      slope += (dy[k] as number) * ((id === j ? 1 : 0) - p);
    });
    if (entropy && p > 0) slope -= (dy[length + 1] as number) * p * (logProb + rowEntropy);
    return slope / temperature;
  });
}

const attributesOf = (rows: readonly Row[]): tf.NamedAttrMap => {
  const { temperature, ignoreId, entropy } = rows[0] as Row;
  return { temperature, ignoreId, entropy };
};

/** Both kernels over rows of one width. */
async function onDevice(rows: readonly Row[], dy: readonly (readonly number[])[]) {
  const { x, ids, entropy } = rows[0] as Row;
  const width = ids.length + (entropy ? 2 : 1);
  const logits = tf.tensor2d(Float32Array.from(rows.flatMap((row) => row.x)), [rows.length, x.length]);
  const chosen = tf.tensor2d(Int32Array.from(rows.flatMap((row) => row.ids)), [rows.length, ids.length], 'int32');
  const upstream = tf.tensor2d(Float32Array.from(dy.flat()), [rows.length, width]);
  const attrs = attributesOf(rows);
  const [statistics, top] = tf
    .engine()
    .runKernel('TsrlSelectiveLogSoftmax', { logits, ids: chosen }, attrs) as unknown as [tf.Tensor, tf.Tensor];
  const gradient = tf
    .engine()
    .runKernel(
      'TsrlSelectiveLogSoftmaxGrad',
      { logits, ids: chosen, statistics, top, dy: upstream },
      attrs,
    ) as tf.Tensor;
  const shapes = [statistics, top, gradient].map(({ shape }) => shape);
  const values = await Promise.all([statistics.data(), top.data(), gradient.data()]);
  tf.dispose([logits, chosen, upstream, statistics, top, gradient]);
  return { shapes, statistics: values[0], top: values[1], gradient: values[2] };
}

const numDataIds = (): number => (tf.backend() as unknown as { numDataIds(): number }).numDataIds();

/** Everything against the oracle, rows and all, and nothing left behind. */
async function check(rows: readonly Row[], dy: readonly (readonly number[])[]): Promise<void> {
  const before = [tf.memory().numTensors, numDataIds()];
  const got = await onDevice(rows, dy);
  const { x, ids, entropy } = rows[0] as Row;
  expect(got.shapes).toEqual([
    [rows.length, ids.length + (entropy ? 2 : 1)],
    [rows.length, 2],
    [rows.length, x.length],
  ]);
  expect(maxError(got.statistics, rows.flatMap(statisticsOf), float32)).toBeLessThan(1);
  const gradients = rows.flatMap((row, i) => gradientOf(row, dy[i] as number[]));
  expect(maxError(got.gradient, gradients, float32)).toBeLessThan(1);
  rows.forEach((row, i) => {
    const top = Math.max(-3e38, ...row.x);
    const isKnown = top < Number.POSITIVE_INFINITY;
    const normalizer = statisticsOf(row)[ids.length] as number;
    const logSum = normalizer === Number.NEGATIVE_INFINITY ? 0 : normalizer - top / row.temperature;
    expect(got.top[2 * i]).toBe(isKnown ? Math.fround(top) : Number.NaN);
    expect(
      maxError([got.top[2 * i + 1] as number], [isKnown ? logSum : Number.NaN], roundedAt(normalizer)),
    ).toBeLessThan(1);
  });
  expect([tf.memory().numTensors, numDataIds()]).toEqual(before);
}

/** The oracle's own subtraction of two numbers of this size rounds in float64. */
const roundedAt = (size: number) => ({
  absolute: 1e-6 + (Number.isFinite(size) ? 1e-14 * Math.abs(size) : 0),
  relative: 2e-5,
});

/** What most tests ask for. */
const plain = { temperature: 1, ignoreId: -100, entropy: true };
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Numbers that float32 holds exactly, so that oracle and device start from the same. */
const flat = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: -64, max: 64 }).map((k) => k / 32) },
  { weight: 1, arbitrary: fc.constant(-inf) },
);
/** Of many of these one is far above the rest. */
const wild = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: -90, max: 90 }) },
  { weight: 1, arbitrary: fc.constant(-inf) },
);
/** Added to a whole row. */
const offset = fc.constantFrom(0, 0, 1e5, -1e5);
const slope = fc.integer({ min: -32, max: 32 }).map((k) => k / 32);
const vocabulary = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 70 }) },
  { weight: 2, arbitrary: fc.constantFrom(255, 256, 257) },
  { weight: 1, arbitrary: fc.constantFrom(1000, 4099) },
);
const batch = fc
  .record({
    r: fc.integer({ min: 1, max: 4 }),
    v: vocabulary,
    k: fc.constantFrom(0, 1, 1, 3),
    temperature: fc.constantFrom(0.25, 0.7, 1, 1, 2),
    ignoreId: fc.constantFrom(-100, 0),
    entropy: fc.boolean(),
  })
  .chain(({ r, v, k, ...attributes }) => {
    const id = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 0, max: v - 1 }) },
      { weight: 1, arbitrary: fc.constantFrom(attributes.ignoreId, -1, v, 2 ** 31 - 1, -(2 ** 31)) },
    );
    const row = fc
      .record({
        x: fc.oneof(...[flat, wild].map((logit) => fc.array(logit, { minLength: v, maxLength: v }))),
        ids: fc.array(id, { minLength: k, maxLength: k }),
        by: offset,
      })
      .map(({ x, ids, by }): Row => ({ ...attributes, x: x.map((value) => value + by), ids }));
    const width = k + (attributes.entropy ? 2 : 1);
    return fc.record({
      rows: fc.array(row, { minLength: r, maxLength: r }),
      dy: fc.array(fc.array(slope, { minLength: width, maxLength: width }), { minLength: r, maxLength: r }),
    });
  });

const elsewhere = process.env['TSRL_BACKEND'] !== 'webgpu';
describe.skipIf(elsewhere)('webgpu kernels (project :webgpu, which needs chromium and libvulkan1 of Debian)', () => {
  test('agree with the formulas in float64, whatever the logits and ids', async () => {
    installFastKernels();
    await forAllAsync([batch], ({ rows, dy }) => check(rows, dy));
  });

  test('the gradient is that of the statistics', () => {
    const row = { x: [0.5, -1.25, 2, 0.75, -inf], ids: [2, 0, -100, 7, 2], ...plain, temperature: 0.7 };
    const dy = [0.5, -1, 3, 2, 0.25, 0.375, -1.5];
    const loss = (x: Float64Array): number =>
      statisticsOf({ ...row, x: [...x] }).reduce((sum, y, i) => sum + (i === 3 ? 0 : y * (dy[i] as number)), 0);
    expect(
      maxError(gradientOf(row, dy), finiteDifference(loss, row.x), { absolute: 1e-8, relative: 1e-7 }),
    ).toBeLessThan(1);
  });

  test('by hand: what is masked, ignored, outside, repeated, or no number', async () => {
    installFastKernels();
    const rows: Row[] = [
      { x: [0, 0], ids: [1, 1, -100], ...plain },
      { x: [0, -inf], ids: [0, 1, 2], ...plain },
      { x: [-inf, -inf], ids: [0, -1, -100], ...plain },
      { x: [0, nan], ids: [0, 1, -100], ...plain },
      { x: [inf, 0], ids: [0, 1, -100], ...plain },
      { x: [nan, 0], ids: [0, 1, -100], ...plain },
    ];
    const dy = rows.map((_, i) => (i < 5 ? [1, 2, 4, 0, 0] : [0, 0, 4, 0, 0]));
    const { statistics, top, gradient } = await onDevice(rows, dy);
    const half = Math.log(0.5);
    const expected = [
      [half, half, 0, -half, -half],
      [0, -inf, nan, 0, 0],
      [-inf, nan, 0, -inf, 0],
      [nan, nan, 0, nan, nan],
      [nan, nan, 0, nan, nan],
      [nan, nan, 0, nan, nan],
    ];
    expect(maxError(statistics, expected.flat(), float32)).toBeLessThan(1);
    expect(maxError(top, [0, -half, 0, 0, -3e38, 0, nan, nan, nan, nan, nan, nan], float32)).toBeLessThan(1);
    // Row 2: choosing a masked entry pulls at its logit, the id outside does not. Row 5: nothing is asked of the NaN.
    expect(maxError(gradient, [-1.5, 1.5, -2, 2, 1, 0, nan, nan, nan, nan, 0, 0], float32)).toBeLessThan(1);
  });

  test('bits, not comparisons, tell what is no number', async () => {
    installFastKernels();
    // A NaN of either sign, signalling or quiet, at either end of a row that is longer than a workgroup.
    const bits = [0x7fc00000, 0xffc00000, 0x7f800001, 0xffbfffff, 0x7fffffff];
    const size = 300;
    const x = new Uint32Array(bits.length * 2 * size);
    bits.forEach((pattern, i) => {
      x[2 * i * size] = pattern;
      x[(2 * i + 2) * size - 1] = pattern;
    });
    const logits = tf.tensor2d(new Float32Array(x.buffer), [2 * bits.length, size]);
    const ids = tf.zeros([2 * bits.length, 1], 'int32');
    const [statistics, top] = tf
      .engine()
      .runKernel('TsrlSelectiveLogSoftmax', { logits, ids }, { ...plain }) as unknown as [tf.Tensor, tf.Tensor];
    expect([...(await statistics.data()), ...(await top.data())].every(Number.isNaN)).toBe(true);
    tf.dispose([logits, ids, statistics, top]);
  });

  test('the largest numbers there are', async () => {
    installFastKernels();
    const largest = 3.4028234663852886e38;
    const rows: Row[] = [
      { x: [largest, -largest, -inf], ids: [0], ...plain },
      { x: [-3e38, -largest, -inf], ids: [0], ...plain },
    ];
    const { statistics, gradient } = await onDevice(rows, [
      [1, 0, 0],
      [1, 0, 1],
    ]);
    expect([...statistics]).toEqual([0, largest, 0, 0, Math.fround(-3e38), 0]);
    expect(maxError(gradient, Array(6).fill(0), float32)).toBeLessThan(1);
  });

  test('no rows', async () => {
    installFastKernels();
    for (const k of [0, 2]) {
      const [logits, ids] = [tf.zeros([0, 5]), tf.zeros([0, k], 'int32')];
      const [statistics, top] = tf
        .engine()
        .runKernel('TsrlSelectiveLogSoftmax', { logits, ids }, { ...plain }) as unknown as [tf.Tensor, tf.Tensor];
      const dy = tf.zeros([0, k + 2]);
      const gradient = tf
        .engine()
        .runKernel('TsrlSelectiveLogSoftmaxGrad', { logits, ids, statistics, top, dy }, { ...plain }) as tf.Tensor;
      expect([statistics.shape, top.shape, gradient.shape]).toEqual([
        [0, k + 2],
        [0, 2],
        [0, 5],
      ]);
      expect((await gradient.data()).length).toBe(0);
      tf.dispose([logits, ids, statistics, top, dy, gradient]);
    }
  });

  test('more rows than one dimension of a dispatch holds', async () => {
    installFastKernels();
    const backend = tf.backend() as unknown as { runWebGPUProgram?: (program: Program, ...rest: unknown[]) => unknown };
    const run = backend.runWebGPUProgram?.bind(backend);
    // As tfjs folds where the limit is 3, not 65535, which takes SwiftShader minutes: two of 9 workgroups have no row.
    backend.runWebGPUProgram = (program, ...rest) =>
      run?.(program.shaderKey.startsWith('tsrl') ? { ...program, dispatch: [3, 3, 1] } : program, ...rest);
    try {
      const rows = Array.from({ length: 7 }, (_, i): Row => ({ x: [i - 3, 0], ids: [i % 2], ...plain }));
      await check(
        rows,
        rows.map((_, i) => [1, i - 3, 0.5]),
      );
    } finally {
      delete backend.runWebGPUProgram;
    }
  });

  const fused = ['TsrlSelectiveLogSoftmax', 'TsrlSelectiveLogSoftmaxGrad'];
  const corrected = ['Sum', 'Expm1', 'Log1p', 'Exp', 'Log', 'Sigmoid', 'Softplus'];

  test('are installed once, and can be taken out', () => {
    uninstallFastKernels();
    const ofTfjs = corrected.map((name) => tf.getKernel(name, 'webgpu').kernelFunc);
    expect(installFastKernels()).toEqual([...fused, ...corrected]);
    expect(installFastKernels()).toEqual([...fused, ...corrected]);
    uninstallFastKernels();
    for (const name of fused) expect(tf.getKernel(name, 'webgpu')).toBeUndefined();
    expect(corrected.map((name) => tf.getKernel(name, 'webgpu').kernelFunc)).toEqual(ofTfjs);
  });

  test('are left out, with a word, where tfjs does not run programs', () => {
    uninstallFastKernels();
    const backend = tf.backend() as unknown as { runWebGPUProgram?: unknown };
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    Object.defineProperty(backend, 'runWebGPUProgram', { value: undefined, configurable: true });
    try {
      expect(installFastKernels()).toEqual([]);
      expect(warn.mock.calls.flat().join()).toContain(`${[...fused, ...corrected].join(', ')} cannot run`);
    } finally {
      delete backend.runWebGPUProgram;
      warn.mockRestore();
    }
    expect(installFastKernels()).toHaveLength(fused.length + corrected.length);
  });

  const functions = {
    expm1: [tf.expm1, Math.expm1],
    log1p: [tf.log1p, Math.log1p],
    exp: [tf.exp, Math.exp],
    log: [tf.log, Math.log],
    sigmoid: [tf.sigmoid, (x: number) => 1 / (1 + Math.exp(-x))],
    softplus: [tf.softplus, (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))],
  } as const;
  test.each(Object.entries(functions))('%s keeps its digits, and its limits', async (_, [f, exact]) => {
    installFastKernels();
    const sizes = [1e-30, 1e-8, 1e-4, 0.01, 0.2, 0.25, 0.3, 0.5, 0.51, 0.9, 1, 1.5, 3, 20, 88, 90, 150, 1e10, inf, 0];
    const x = [...sizes, ...sizes.map((size) => -size), nan].map(Math.fround);
    const tensor = tf.tensor(x, [1, x.length, 1]);
    const y = f(tensor);
    expect([y.shape, y.dtype]).toEqual([tensor.shape, 'float32']);
    const got = await y.data();
    tf.dispose([tensor, y]);
    const expected = Float32Array.from(x, exact);
    expect(maxError(got, expected, { absolute: 1e-37, relative: 2e-5 })).toBeLessThan(1);
    const ordinary = (_: number, i: number): boolean => Math.abs(x[i] as number) < 3;
    const within = { absolute: 1e-37, relative: 1e-6 };
    expect(maxError(got.filter(ordinary), expected.filter(ordinary), within)).toBeLessThan(1);
  });

  test('a sum over nothing is 0, of the shape and type that it has elsewhere', async () => {
    installFastKernels();
    const sums = tf.tidy(() => [
      tf.sum(tf.zeros([0])),
      tf.sum(tf.zeros([3, 0]), 1),
      tf.sum(tf.zeros([3, 0]), -1, true),
      tf.sum(tf.zeros([0, 3], 'int32'), 0),
      tf.sum(tf.ones([2, 3]), 1),
    ]);
    expect(sums.map(({ shape, dtype }) => [shape, dtype])).toEqual([
      [[], 'float32'],
      [[3], 'float32'],
      [[3, 1], 'float32'],
      [[3], 'int32'],
      [[2], 'float32'],
    ]);
    const values = await Promise.all(sums.map((sum) => sum.data()));
    expect(values.map((data) => [...data])).toEqual([[0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [3, 3]]);
    tf.dispose(sums);
  });
});
