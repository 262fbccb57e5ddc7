import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { selectiveLogSoftmax, selectiveLogSoftmaxGradient, type TokenSlopes, tokenGradients } from '../src/index.ts';
import { installFastKernels, uninstallFastKernels } from '../src/tfjs/index.ts';
import type { WasmBackend } from '../src/tfjs/wasm/backend.ts';

const names = ['TsrlSelectiveLogSoftmax', 'TsrlSelectiveLogSoftmaxGrad', 'TsrlTokenGradients'];
const onWasm = process.env['TSRL_BACKEND'] !== 'cpu';
const heapBytes = (): number =>
  (tf.backend() as unknown as { wasm: { HEAPU8: { buffer: ArrayBuffer } } }).wasm.HEAPU8.buffer.byteLength;

/** The numbers and shapes of what a kernel returns. */
function run(
  name: string,
  inputs: Record<string, tf.Tensor>,
  attrs: object,
): { data: Float32Array; shape: number[] }[] {
  const outputs = [tf.engine().runKernel(name, inputs, attrs as tf.NamedAttrMap) as tf.Tensor | tf.Tensor[]].flat();
  const results = outputs.map((y) => ({ data: y.dataSync() as Float32Array, shape: y.shape }));
  tf.dispose(outputs);
  return results;
}

const slopes: TokenSlopes = (logProb, entropy, columns, offset, out) => {
  out[0] = (columns[offset] as number) * Math.exp(logProb);
  out[1] = (columns[offset + 1] as number) * (Number.isNaN(entropy) ? 0 : 1);
};

const cases = fc
  .record({
    rows: fc.integer({ min: 0, max: 4 }),
    size: fc.integer({ min: 1, max: 40 }),
    chosen: fc.integer({ min: 0, max: 3 }),
    temperature: fc.constantFrom(0.5, 1, 2),
    ignoreId: fc.constantFrom(-100, 0),
    entropy: fc.boolean(),
    seed: fc.nat(),
  })
  .map(({ seed, rows, size, chosen, ...attrs }) => {
    const rng = createRng(seed);
    const draw = (n: number): Float32Array => Float32Array.from({ length: n }, () => rng.normal());
    const choose = (n: number): Int32Array =>
      Int32Array.from({ length: n }, () => Math.floor(rng.uniform() * (size + 2)) - 1);
    const perRow = chosen + (attrs.entropy ? 2 : 1);
    const numbers = { logits: draw(rows * size), ids: choose(rows * chosen), dy: draw(rows * perRow) };
    return { rows, size, chosen, attrs, perRow, ...numbers, token: choose(rows), columns: draw(rows * 2) };
  });

beforeEach(() => {
  expect(installFastKernels()).toEqual(expect.arrayContaining(names));
});

describe('the kernels of tfjs', () => {
  test('give the numbers of the typed-array functions, also for no rows and no ids', () => {
    forAll([cases], ({ rows, size, chosen, attrs, perRow, logits, ids, dy, token, columns }) => {
      tf.tidy(() => {
        const x = tf.tensor2d(logits, [rows, size]);
        const [all, one] = [tf.tensor2d(ids, [rows, chosen], 'int32'), tf.tensor1d(token, 'int32')];
        const want = selectiveLogSoftmax({ ...attrs, logits, ids, size });
        const [statistics, top] = run('TsrlSelectiveLogSoftmax', { logits: x, ids: all }, attrs);
        expect([statistics, top]).toEqual([
          { data: want.statistics, shape: [rows, perRow] },
          { data: want.top, shape: [rows, 2] },
        ]);
        const saved = {
          statistics: tf.tensor2d(want.statistics, [rows, perRow]),
          top: tf.tensor2d(want.top, [rows, 2]),
        };
        const upstream = tf.tensor2d(dy, [rows, perRow]);
        const gradient = selectiveLogSoftmaxGradient({ ...attrs, ...want, logits, ids, size, dy });
        expect(run('TsrlSelectiveLogSoftmaxGrad', { logits: x, ids: all, ...saved, dy: upstream }, attrs)).toEqual([
          { data: gradient, shape: [rows, size] },
        ]);
        const fused = tokenGradients({ ...attrs, logits, size, ids: token, columns, slopes });
        const inputs = { logits: x, ids: one, columns: tf.tensor2d(columns, [rows, 2]) };
        expect(run('TsrlTokenGradients', inputs, { ...attrs, slopes })).toEqual([
          { data: fused.statistics, shape: [rows, attrs.entropy ? 2 : 1] },
          { data: fused.gradient, shape: [rows, size] },
        ]);
      });
    });
  });

  test('leave no tensor of the backend behind, also when the callback throws', () => {
    const count = (): number => (tf.backend() as unknown as { numDataIds(): number }).numDataIds();
    const attrs = { temperature: 1, ignoreId: -100, entropy: true };
    const inputs = { logits: tf.zeros([2, 3]), ids: tf.zeros([2], 'int32'), columns: tf.ones([2, 2]) };
    const before = count();
    run('TsrlTokenGradients', inputs, { ...attrs, slopes });
    const broken: TokenSlopes = () => {
      throw new Error('no slopes');
    };
    expect(() => run('TsrlTokenGradients', inputs, { ...attrs, slopes: broken })).toThrow('no slopes');
    expect(count()).toBe(before);
    tf.dispose(inputs);
  });

  test.runIf(onWasm)('work in a heap that has grown since they were made, and above 2 GiB', () => {
    const before = heapBytes();
    const attrs = { temperature: 1, ignoreId: -100, entropy: true };
    const inputs = { logits: tf.tensor2d([0, Math.LN2, Math.log(5)], [1, 3]), ids: tf.tensor2d([1], [1, 1], 'int32') };
    const first = run('TsrlSelectiveLogSoftmax', inputs, attrs);
    const { wasm } = tf.backend() as unknown as { wasm: { _malloc(bytes: number): number; _free(at: number): void } };
    const held = [wasm._malloc(2 ** 30), wasm._malloc(2 ** 30)]; // never written to, so it costs no real memory
    const again = run('TsrlSelectiveLogSoftmax', inputs, attrs);
    // Large enough for no hole below.
    const [rows, size] = [2 ** 14, 256];
    const x = tf.zeros([rows, size]);
    const { memoryOffset } = (tf.backend() as unknown as WasmBackend).dataIdMap.get(x.dataId);
    const far = { logits: x, ids: tf.ones([rows], 'int32'), columns: tf.ones([rows, 2]) };
    const [statistics, gradient] = run('TsrlTokenGradients', far, { ...attrs, slopes }).map(({ data }) => data) as [
      Float32Array,
      Float32Array,
    ];
    tf.dispose(far);
    for (const address of held) wasm._free(address);
    expect(heapBytes()).toBeGreaterThan(before + 2 ** 31);
    expect(again).toEqual(first);
    expect(memoryOffset >>> 0).toBeGreaterThan(2 ** 31);
    const entropy = Math.fround(Math.log(size));
    expect([...statistics.subarray(-2)]).toEqual([-entropy, entropy]);
    // Slopes p and 1, at a distribution whose entropy is level: p (1[j = id] − p).
    const slope = 1 / size;
    const want = Array.from({ length: 4 }, (_, j) => slope * (Number(j === 1) - 1 / size));
    expect(maxError(gradient.subarray(-size, -size + 4), want, float32)).toBeLessThan(1);
    expect(gradient.subarray(-size)).toEqual(gradient.subarray(0, size));
    tf.dispose(inputs);
  });
});

describe('uninstalled', () => {
  afterEach(() => {
    installFastKernels();
  });

  test('they are gone, and a second installation brings them back', () => {
    uninstallFastKernels();
    expect(names.map((name) => tf.getKernel(name, tf.getBackend()))).toEqual([undefined, undefined, undefined]);
    expect(installFastKernels()).toEqual(expect.arrayContaining(names));
    expect(names.every((name) => tf.getKernel(name, tf.getBackend()) !== undefined)).toBe(true);
  });
});
