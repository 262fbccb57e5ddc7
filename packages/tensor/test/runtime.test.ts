import * as tf from '@tensorflow/tfjs-core';
import { createRng, isTsrlError } from '@tsrl/core';
import { finiteDifference, float32, maxError } from '@tsrl/testing';
import { afterAll, afterEach, describe, expect, expectTypeOf, test } from 'vitest';
import {
  type BackendName,
  backendNames,
  type LossResult,
  stopGradient,
  useBackend,
  valueAndGrads,
} from '../src/index.ts';

const onWasm = process.env['TSRL_BACKEND'] !== 'cpu';
const numDataIds = (): number => (tf.backend() as unknown as { numDataIds(): number }).numDataIds();

let seed = 0;
/** Float32 numbers, so that oracle and device start from the same. */
const draw = (size: number): number[] => {
  const rng = createRng(seed++);
  return Array.from({ length: size }, () => Math.fround(rng.normal()));
};
/** Σ wᵢ yᵢ: a loss whose gradient tells the elements of y apart. */
const weigh = (y: tf.Tensor, w: number[]): tf.Scalar => tf.sum(tf.mul(y, tf.tensor(w, y.shape))) as tf.Scalar;

afterEach(() => {
  seed = 0;
});

describe('gradients in Node', () => {
  const at = draw(6);
  const rows = (x: Float64Array): number[][] => [[...x.slice(0, 3)], [...x.slice(3)]];
  const softmax = (row: number[]): number[] => {
    const total = row.reduce((sum, v) => sum + Math.exp(v), 0);
    return row.map((v) => Math.exp(v) / total);
  };
  const each =
    (f: (v: number) => number) =>
    (x: Float64Array): number[] =>
      [...x].map(f);
  const positive = (x: tf.Tensor): tf.Tensor => tf.add(tf.square(x), 0.5);
  const plus = (v: number): number => v * v + 0.5;
  const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));
  const m = [
    [0.5, -1],
    [2, 0.25],
    [-0.75, 1],
  ];
  const table: [string, (x: tf.Tensor) => tf.Tensor, (x: Float64Array) => number[]][] = [
    [
      'matMul',
      (x) => tf.matMul(x, tf.tensor2d(m)),
      (x) => rows(x).flatMap((r) => [0, 1].map((j) => r.reduce((s, v, i) => s + v * m[i]![j]!, 0))),
    ],
    ['softmax', (x) => tf.softmax(x), (x) => rows(x).flatMap(softmax)],
    ['logSoftmax', (x) => tf.logSoftmax(x), (x) => rows(x).flatMap((r) => softmax(r).map(Math.log))],
    [
      'logSumExp',
      (x) => tf.logSumExp(x, -1),
      (x) => rows(x).map((r) => Math.log(r.reduce((s, v) => s + Math.exp(v), 0))),
    ],
    ['gather', (x) => tf.gather(x, tf.tensor1d([1, 1, 0], 'int32')), (x) => [1, 1, 0].flatMap((i) => rows(x)[i]!)],
    [
      'gather with batch dimensions',
      (x) => tf.gather(x, tf.tensor2d([2, 0], [2, 1], 'int32'), 1, 1),
      (x) => [x[2]!, x[3]!],
    ],
    ['exp', tf.exp, each(Math.exp)],
    ['log', (x) => tf.log(positive(x)), each((v) => Math.log(plus(v)))],
    ['log1p', (x) => tf.log1p(positive(x)), each((v) => Math.log1p(plus(v)))],
    ['sqrt', (x) => tf.sqrt(positive(x)), each((v) => Math.sqrt(plus(v)))],
    ['rsqrt', (x) => tf.rsqrt(positive(x)), each((v) => 1 / Math.sqrt(plus(v)))],
    ['div', (x) => tf.div(x, positive(x)), each((v) => v / plus(v))],
    ['pow', (x) => tf.pow(x, 3), each((v) => v ** 3)],
    ['sigmoid', tf.sigmoid, each(sigmoid)],
    ['tanh', tf.tanh, each(Math.tanh)],
    ['softplus', tf.softplus, each((v) => Math.log1p(Math.exp(v)))],
    ['abs', tf.abs, each(Math.abs)],
    ['relu', tf.relu, each((v) => Math.max(0, v))],
    ['clipByValue', (x) => tf.clipByValue(x, -0.6, 0.6), each((v) => Math.min(0.6, Math.max(-0.6, v)))],
    [
      'maximum and minimum',
      (x) => tf.maximum(x, tf.minimum(tf.mul(x, 2), tf.onesLike(x))),
      each((v) => Math.max(v, Math.min(2 * v, 1))),
    ],
    [
      'where',
      (x) => tf.where(tf.greater(stopGradient(x), 0), tf.square(x), tf.neg(x)),
      each((v) => (v > 0 ? v * v : -v)),
    ],
    [
      'split',
      (x) => tf.mul(...(tf.split(x, [1, 1], 0) as [tf.Tensor, tf.Tensor])),
      (x) => [0, 1, 2].map((i) => x[i]! * x[i + 3]!),
    ],
    ['concat', (x) => tf.concat([x, tf.square(x)], 1), (x) => rows(x).flatMap((r) => [...r, ...r.map((v) => v * v)])],
    [
      'stack and unstack',
      (x) => tf.stack(tf.unstack(x, 1).map(tf.square), 0),
      (x) => [0, 1, 2].flatMap((i) => [x[i]! ** 2, x[i + 3]! ** 2]),
    ],
    ['transpose', (x) => tf.square(tf.transpose(x)), (x) => [0, 1, 2].flatMap((i) => [x[i]! ** 2, x[i + 3]! ** 2])],
    ['reshape', (x) => tf.square(tf.reshape(x, [6])), each((v) => v * v)],
    ['slice', (x) => tf.square(tf.slice(x, [0, 1], [2, 2])), (x) => [1, 2, 4, 5].map((i) => x[i]! ** 2)],
    ['tile', (x) => tf.square(tf.tile(x, [1, 2])), (x) => rows(x).flatMap((r) => [...r, ...r].map((v) => v * v))],
    [
      'pad',
      (x) =>
        tf.square(
          tf.pad(
            x,
            [
              [0, 0],
              [1, 0],
            ],
            2,
          ),
        ),
      (x) => rows(x).flatMap((r) => [4, ...r.map((v) => v * v)]),
    ],
    [
      'broadcasting',
      (x) => tf.mul(x, tf.sum(x, 0, true)),
      (x) => [0, 1, 2, 3, 4, 5].map((i) => x[i]! * (x[i % 3]! + x[(i % 3) + 3]!)),
    ],
    ['mean', (x) => tf.mean(tf.square(x), 1), (x) => rows(x).map((r) => r.reduce((s, v) => s + v * v, 0) / 3)],
    ['max', (x) => tf.max(x, 1), (x) => rows(x).map((r) => Math.max(...r))],
    ['min', (x) => tf.min(x, 1), (x) => rows(x).map((r) => Math.min(...r))],
    ['prod', (x) => tf.prod(x, 1), (x) => rows(x).map((r) => r.reduce((s, v) => s * v, 1))],
    [
      'cumsum',
      (x) => tf.cumsum(tf.square(x), 1),
      (x) => rows(x).flatMap((r) => r.map((_, i) => r.slice(0, i + 1).reduce((s, v) => s + v * v, 0))),
    ],
  ];

  test.each(table)('%s', async (_, f, plain) => {
    const w = draw(plain(Float64Array.from(at)).length);
    const x = tf.tensor2d(at, [2, 3]);
    const gradient = tf.grad((y) => weigh(f(y), w))(x);
    const expected = finiteDifference((v) => plain(v).reduce((sum, y, i) => sum + y * w[i]!, 0), at);
    // Central differences err by h² ≈ 1e-10; the rest is float32.
    expect(maxError(await gradient.data(), expected, { absolute: 2e-6, relative: 5e-5 })).toBeLessThan(1);
    tf.dispose([x, gradient]);
  });
});

describe('stopGradient', () => {
  test('the same numbers, no gradient, no copy', async () => {
    const x = tf.tensor1d([1, -2, 3]);
    const ids = numDataIds();
    const stopped = stopGradient(x);
    expect(numDataIds()).toBe(ids);
    expectTypeOf(stopped).toEqualTypeOf<tf.Tensor1D>();
    expect([...(await stopped.data())]).toEqual([1, -2, 3]);
    const gradient = tf.grad((y) => tf.sum(tf.mul(stopGradient(tf.square(y)), y)) as tf.Scalar)(x);
    expect([...(await gradient.data())]).toEqual([1, 4, 9]);
    tf.dispose([x, stopped, gradient]);
  });

  test('allows comparisons and argMax between a parameter and the loss, where tfjs raises', async () => {
    const x = tf.tensor1d([1, -2, 3]);
    const loss = (barrier: (t: tf.Tensor) => tf.Tensor) => (y: tf.Tensor) => {
      const top = tf.oneHot(tf.argMax(barrier(y)), 3);
      return tf.sum(
        tf.mul(y, tf.add(tf.cast(tf.greater(barrier(y), 0), 'float32'), tf.cast(top, 'float32'))),
      ) as tf.Scalar;
    };
    const gradient = tf.grad(loss(stopGradient))(x);
    expect([...(await gradient.data())]).toEqual([1, 0, 2]);
    gradient.dispose();
    const { numTensors } = tf.memory();
    expect(() => tf.tidy(() => tf.grad(loss((t) => t))(x))).toThrow();
    for (const node of tf.engine().state.activeTape ?? []) tf.dispose(node.saved ?? []);
    expect(tf.memory().numTensors).toBe(numTensors);
    x.dispose();
  });
});

describe('valueAndGrads', () => {
  const make = (name: string, values: number[]): tf.Variable =>
    tf.tidy(() => tf.variable(tf.tensor1d(values), true, name));

  test('gives the loss, the metrics under their names, and the gradients', async () => {
    const [w, b] = [make('w', [1, 2]), make('b', [3])];
    const { numTensors } = tf.memory();
    const { loss, metrics, grads } = valueAndGrads(() => {
      const squares = tf.square(w);
      const value = tf.add(tf.sum(squares), tf.mul(tf.sum(b), 5)) as tf.Scalar;
      return { loss: value, metrics: { 'policy/loss': value, 'policy/a/largest': tf.max(squares) as tf.Scalar } };
    });
    expect([...(await loss.data())]).toEqual([20]);
    expect(Object.keys(metrics)).toEqual(['policy/loss', 'policy/a/largest']);
    expect([...(await metrics['policy/loss']!.data()), ...(await metrics['policy/a/largest']!.data())]).toEqual([
      20, 4,
    ]);
    expect([...(await grads['w']!.data()), ...(await grads['b']!.data())]).toEqual([2, 4, 5]);
    expect(tf.memory().numTensors - numTensors).toBe(5);
    tf.dispose([loss, metrics, grads] as tf.TensorContainer);
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  test('differentiates with respect to the variables asked for', () => {
    const [w, b] = [make('w', [1, 2]), make('b', [3])];
    const compute = (): LossResult => ({ loss: tf.sum(tf.mul(tf.square(w), b)) as tf.Scalar, metrics: {} });
    const { loss, grads } = valueAndGrads(compute, [b]);
    expect(Object.keys(grads)).toEqual(['b']);
    tf.dispose([loss, grads] as tf.TensorContainer);
    expect(b.trainable && w.trainable).toBe(true);
  });

  test('inside a tidy its results are the tidy’s', () => {
    const w = make('w', [1, 2]);
    const { numTensors } = tf.memory();
    tf.tidy(() => {
      const squared = (): tf.Scalar => tf.sum(tf.square(w)) as tf.Scalar;
      valueAndGrads(() => ({ loss: squared(), metrics: { twice: tf.mul(squared(), 2) as tf.Scalar } }));
    });
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  test('leaves nothing behind when the computation throws, or when its loss has no gradient', () => {
    const w = make('w', [1, 2]);
    const before = [tf.memory().numTensors, numDataIds()];
    const fail = (): LossResult => {
      const metric = tf.sum(tf.exp(tf.softmax(tf.square(w)))) as tf.Scalar;
      throw new Error(`stop at ${metric.shape.length}`);
    };
    expect(() => valueAndGrads(fail)).toThrow('stop at 0');
    expect([tf.memory().numTensors, numDataIds()]).toEqual(before);

    const blocked = (): LossResult => {
      const y = tf.exp(w);
      const metric = tf.sum(y) as tf.Scalar;
      return { loss: tf.sum(tf.cast(tf.greater(y, 0), 'float32')) as tf.Scalar, metrics: { metric } };
    };
    expect(() => valueAndGrads(blocked)).toThrow();
    expect([tf.memory().numTensors, numDataIds()]).toEqual(before);

    // And the next one is not disturbed by what happened.
    const { loss, grads } = valueAndGrads(() => ({ loss: tf.sum(tf.square(w)) as tf.Scalar, metrics: {} }));
    tf.dispose([loss, grads] as tf.TensorContainer);
    expect([tf.memory().numTensors, numDataIds()]).toEqual(before);
  });

  test('a nested failure leaves the outer tape alone', async () => {
    const w = make('w', [1, 2]);
    const { loss, grads, metrics } = valueAndGrads(() => {
      const y = tf.exp(w);
      expect(() =>
        valueAndGrads(() => {
          tf.exp(w);
          throw new Error('inner');
        }),
      ).toThrow('inner');
      // Nothing but the tape holds y: neither neg nor the sum of it saves it.
      return { loss: tf.sum(tf.neg(y)) as tf.Scalar, metrics: {} };
    });
    expect(maxError(await grads['w']!.data(), [-Math.exp(1), -Math.exp(2)], float32)).toBeLessThan(1);
    tf.dispose([loss, grads, metrics] as tf.TensorContainer);
  });
});

describe('useBackend', () => {
  const own = tf.getBackend;
  afterAll(async () => {
    await useBackend(onWasm ? 'wasm' : 'cpu');
    expect(own()).toBe(onWasm ? 'wasm' : 'cpu');
  });

  const failure = async (name: string): Promise<unknown> =>
    useBackend(name as BackendName).then(
      () => undefined,
      (error: unknown) => error,
    );

  test('refuses an unknown name', async () => {
    const error = await failure('webgl');
    expect(isTsrlError(error, 'option')).toBe(true);
    expect((error as Error).message).toBe(
      'useBackend: name must be one of auto, tensorflow, wasm, cpu, webgpu; got "webgl"',
    );
    expect(backendNames).toEqual(['tensorflow', 'wasm', 'cpu', 'webgpu']);
  });

  test('says what to install', async () => {
    const error = await failure('tensorflow');
    expect(isTsrlError(error, 'backend')).toBe(true);
    expect((error as Error).message).toMatch(/^useBackend: .*npm install @tensorflow\/tfjs-node/);
    expect((error as Error).message).toContain('@tensorflow/tfjs-node-gpu');
    const webgpu = await failure('webgpu');
    expect(isTsrlError(webgpu, 'backend')).toBe(true);
    expect((webgpu as Error).message).toContain('navigator.gpu');
  });

  test('auto gives wasm where nothing native is installed, and every name that works is current afterwards', async () => {
    expect(await useBackend()).toBe('wasm');
    expect(tf.getBackend()).toBe('wasm');
    expect(await useBackend('cpu')).toBe('cpu');
    expect(tf.getBackend()).toBe('cpu');
    expect(await useBackend('auto')).toBe('wasm');
  });

  test('installs its kernels once, however often it is called', async () => {
    const names = [
      'BatchMatMul',
      '_FusedMatMul',
      'Identity',
      'OneHot',
      'ClipByValue',
      'Log1p',
      'Sum',
      'Slice',
      'SplitV',
      'GatherV2',
    ];
    const kernels = () => names.map((name) => tf.getKernel(name, 'wasm').kernelFunc);
    await useBackend('wasm');
    const first = kernels();
    await useBackend('wasm');
    expect(kernels().every((kernel, i) => kernel === first[i])).toBe(true);
  });
});
