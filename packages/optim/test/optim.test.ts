import * as tf from '@tensorflow/tfjs-core';
import * as core from '@tsrl/core';
import { createRng, type Rng } from '@tsrl/core';
import { installFastKernels, uninstallFastKernels } from '@tsrl/kernels/tfjs';
import { valueAndGrads } from '@tsrl/tensor';
import { float32, forAllAsync, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type AdamWOptions,
  adamW,
  applyUpdates,
  chain,
  clipByGlobalNorm,
  constant,
  cosine,
  type GradientTransform,
  globalNorm,
  linear,
  type OptimizerState,
  sgd,
  type TransformResult,
  warmup,
} from '../src/index.ts';

type Values = Record<string, number[]>;

const shapes: Record<string, number[]> = { w: [3, 4], b: [4], k: [2, 2, 3], scale: [] };
const sizeOf = (name: string): number => (shapes[name] as number[]).reduce((a, b) => a * b, 1);

/** Float32 numbers, so that oracle and device start from the same. */
const draw = (rng: Rng, scale = 1): Values =>
  Object.fromEntries(
    Object.keys(shapes).map((name) => [
      name,
      Array.from({ length: sizeOf(name) }, () => Math.fround(scale * rng.normal())),
    ]),
  );

const tensorsOf = (values: Values): Record<string, tf.Tensor> =>
  Object.fromEntries(Object.entries(values).map(([name, data]) => [name, tf.tensor(data, shapes[name])]));

const variablesOf = (values: Values): tf.Variable[] =>
  Object.entries(values).map(([name, data]) =>
    tf.tidy(() => tf.variable(tf.tensor(data, shapes[name]), true, `${name}`)),
  );

const read = async (tensors: Readonly<Record<string, tf.Tensor>>): Promise<Values> =>
  Object.fromEntries(
    await Promise.all(
      Object.entries(tensors).map(async ([name, x]): Promise<[string, number[]]> => [name, [...(await x.data())]]),
    ),
  );
const readVariables = (variables: readonly tf.Variable[]): Promise<Values> =>
  read(Object.fromEntries(variables.map((v) => [v.name, v])));

const flat = (values: Values): number[] => Object.keys(shapes).flatMap((name) => values[name] ?? []);
const norm = (values: number[]): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));

/** One step of a caller who owns everything. */
function step(
  transform: GradientTransform,
  grads: Values,
  state: OptimizerState,
  variables: readonly tf.Variable[],
): OptimizerState {
  const tensors = tensorsOf(grads);
  const result = transform.update(tensors, state, variables);
  applyUpdates(variables, result.updates);
  tf.dispose([tensors, result.updates, result.metrics] as tf.TensorContainer);
  return result.state;
}

/** The updates of one first step. */
async function firstUpdates(transform: GradientTransform, grads: Values, at: Values): Promise<Values> {
  const variables = variablesOf(at);
  const tensors = tensorsOf(grads);
  try {
    const result = transform.update(tensors, transform.init(variables), variables);
    const updates = await read(result.updates);
    tf.dispose([result.updates, result.metrics, result.state.tensors] as tf.TensorContainer);
    return updates;
  } finally {
    tf.dispose(tensors);
    tf.disposeVariables(); // also of a counterexample: shrinking registers the same names again
  }
}

const disposeAll = ({ updates, metrics, state }: TransformResult): void =>
  tf.dispose([updates, metrics, state.tensors] as tf.TensorContainer);

const ways = ['by kernels', 'composed'] as const;

/** With the kernels, which \`useBackend\` has installed, or without. */
function compute(way: (typeof ways)[number]): void {
  if (way === 'by kernels') return;
  beforeEach(uninstallFastKernels);
  afterEach(() => {
    installFastKernels();
  });
}

/** Algorithm 2 of Loshchilov and Hutter with the decay of PyTorch, element by element in float64. */
function adamWOracle(start: Values, gradients: readonly Values[], options: AdamWOptions): Values {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, decay = () => true, learningRate } = options;
  const theta: Values = structuredClone(start);
  const m: Values = {};
  const v: Values = {};
  for (let t = 1; t <= gradients.length; t++) {
    const alpha = typeof learningRate === 'number' ? learningRate : learningRate(t - 1);
    for (const [name, values] of Object.entries(theta)) {
      const g = gradients[t - 1]?.[name];
      if (g === undefined) continue;
      m[name] ??= values.map(() => 0);
      v[name] ??= values.map(() => 0);
      for (let i = 0; i < values.length; i++) {
        const lambda = decay(name) ? weightDecay : 0;
        values[i]! *= 1 - alpha * lambda;
        m[name]![i] = beta1 * m[name]![i]! + (1 - beta1) * g[i]!;
        v[name]![i] = beta2 * v[name]![i]! + (1 - beta2) * g[i]! ** 2;
        const mHat = m[name]![i]! / (1 - beta1 ** t);
        const vHat = v[name]![i]! / (1 - beta2 ** t);
        values[i]! -= (alpha * mHat) / (Math.sqrt(vHat) + epsilon);
      }
    }
  }
  return theta;
}

/**
 * 200 float32 steps, each rounding a θ of size |θ| at half an ulp, and a moment of 10 roundings: the error of the sum
 * grows at worst linearly with the number of steps.
 */
const afterSteps = (steps: number) => ({ absolute: 1e-6 + steps * 1e-8, relative: 2e-5 });

describe.each(ways)('adamW, %s', (way) => {
  compute(way);

  const cases: [string, AdamWOptions][] = [
    ['its defaults', { learningRate: 0.01 }],
    ['decay and a schedule', { learningRate: warmup(10, cosine(0.02, 0.001, 150)), weightDecay: 0.1 }],
    [
      'decay of some, other betas, a large epsilon',
      { learningRate: 0.005, beta1: 0.8, beta2: 0.95, epsilon: 0.01, weightDecay: 0.5, decay: (n) => n !== 'b' },
    ],
    ['no memory at all', { learningRate: 0.01, beta1: 0, beta2: 0 }],
  ];
  test.each(cases)('follows its definition for 200 steps: %s', async (_, options) => {
    const rng = createRng(7);
    const start = draw(rng);
    // Gradients of very different sizes, and one variable that misses every third step.
    const gradients = Array.from({ length: 200 }, (_, i) => {
      const grads = draw(rng, 10 ** ((i % 5) - 3));
      if (i % 3 === 2) delete grads['k'];
      return grads;
    });
    const variables = variablesOf(start);
    const transform = adamW(options);
    let state = transform.init(variables);
    for (const grads of gradients) state = step(transform, grads, state, variables);

    const actual = flat(await readVariables(variables));
    expect(maxError(actual, flat(adamWOracle(start, gradients, options)), afterSteps(200))).toBeLessThan(1);
    expect(state.step).toBe(200);
    tf.dispose(state.tensors as Record<string, tf.Tensor>);
  });

  test('a published sequence: torch.optim.AdamW by hand, x = 1, gradient 0.5 then -0.25', async () => {
    // Step 1: x(1 - 0.1·0.01) - 0.1·sign = 0.899; step 2: 0.899·0.999 - 0.1·m̂/√v̂ with
    // m̂ = 0.02/0.19, v̂ = 0.00031225/0.001999.
    const start = { scale: [1] };
    const variables = variablesOf(start);
    const transform = adamW({ learningRate: 0.1, weightDecay: 0.01 });
    let state = step(transform, { scale: [0.5] }, transform.init(variables), variables);
    const [first] = (await readVariables(variables))['scale'] as [number];
    state = step(transform, { scale: [-0.25] }, state, variables);
    const [second] = (await readVariables(variables))['scale'] as [number];
    expect(Math.abs(first - 0.899)).toBeLessThan(2e-7);
    const expected = 0.899 * 0.999 - (0.1 * (0.02 / 0.19)) / Math.sqrt(0.00031225 / 0.001999);
    expect(Math.abs(second - expected)).toBeLessThan(4e-7);
    tf.dispose(state.tensors as Record<string, tf.Tensor>);
  });

  test('the first step is -α sign(g), up to ε, whatever the size of g', async () => {
    const grads: Values = { b: [3e-4, -2, 700, -1e-5] };
    const { b } = await firstUpdates(adamW({ learningRate: 0.25, epsilon: 1e-12 }), grads, { b: [1, 2, 3, 4] });
    expect(maxError(b as number[], [-0.25, 0.25, -0.25, 0.25], float32)).toBeLessThan(1);
  });

  test('the size of the gradient cancels: c · g gives the same update', async () => {
    await forAllAsync(
      [fc.integer(), fc.constantFrom(2 ** -6, 2 ** -3, 8, 64)],
      async (seed, factor) => {
        const rng = createRng(seed);
        const [grads, at] = [draw(rng), draw(rng)];
        const scaled = Object.fromEntries(Object.entries(grads).map(([n, g]) => [n, g.map((x) => x * factor)]));
        const transform = adamW({ learningRate: 0.1, epsilon: 1e-30 });
        const [one, other] = [await firstUpdates(transform, grads, at), await firstUpdates(transform, scaled, at)];
        expect(maxError(flat(other), flat(one), float32)).toBeLessThan(1);
      },
      { runs: 20 },
    );
  });

  test('without gradient signal, decay alone shrinks the weights; without decay nothing moves', async () => {
    const at = { b: [1, -2, 3, 0] };
    const zero = { b: [0, 0, 0, 0] };
    const shrunk = await firstUpdates(adamW({ learningRate: 0.5, weightDecay: 0.25 }), zero, at);
    expect(shrunk['b']).toEqual([-0.125, 0.25, -0.375, -0]);
    const still = await firstUpdates(adamW({ learningRate: 0.5 }), zero, at);
    expect(still['b']?.map(Math.abs)).toEqual([0, 0, 0, 0]);
  });

  test('decays by name, and decoupled: the decay does not enter the moments', async () => {
    const rng = createRng(3);
    const [at, grads] = [draw(rng), draw(rng)];
    const plain = await firstUpdates(adamW({ learningRate: 0.5 }), grads, at);
    const decayed = await firstUpdates(
      adamW({ learningRate: 0.5, weightDecay: 0.5, decay: (name) => name === 'w' }),
      grads,
      at,
    );
    expect(decayed['b']).toEqual(plain['b']);
    const expected = plain['w']?.map((x, i) => x - 0.25 * (at['w']?.[i] as number)) as number[];
    expect(maxError(decayed['w'] as number[], expected, float32)).toBeLessThan(1);
  });

  test('in the steady state the second moment is g², up to the float32 limit that is documented', async () => {
    const transform = adamW({ learningRate: 0 });
    const variables = variablesOf({ scale: [0] });
    let state = transform.init(variables);
    for (let i = 0; i < 20_000; i++) state = step(transform, { scale: [3] }, state, variables);
    const { 'adamW/v/scale': v } = await read(state.tensors);
    tf.dispose(state.tensors as Record<string, tf.Tensor>);
    expect(Math.abs((v as number[])[0]! / 9 - 1)).toBeLessThan(1e-4);
  });

  test('lowers a loss that tfjs differentiates', async () => {
    const w = tf.tidy(() => tf.variable(tf.tensor1d([4, -3]), true, 'w'));
    const target = tf.tensor1d([1, 2]);
    const transform = chain(clipByGlobalNorm(1), adamW({ learningRate: cosine(0.3, 0, 200) }));
    let state = transform.init([w]);
    for (let i = 0; i < 200; i++) {
      const { loss, grads } = valueAndGrads(
        () => ({ loss: tf.sum(tf.square(tf.sub(w, target))) as tf.Scalar, metrics: {} }),
        [w],
      );
      const result = transform.update(grads, state, [w]);
      applyUpdates([w], result.updates);
      state = result.state;
      tf.dispose([loss, grads, result.updates, result.metrics] as tf.TensorContainer);
    }
    expect(maxError(await w.data(), [1, 2], { absolute: 1e-3, relative: 0 })).toBeLessThan(1);
    tf.dispose([target, state.tensors] as tf.TensorContainer);
  });
});

test('kernels and composed operations give the same moments and updates', async () => {
  const shape = [37, 29];
  const of = (seed: number, scale: number): tf.Tensor => {
    const rng = createRng(seed);
    return tf.tensor(
      Array.from({ length: 37 * 29 }, () => scale * rng.normal()),
      shape,
    );
  };
  const result = async (): Promise<number[][]> => {
    const w = tf.tidy(() => tf.variable(of(1, 1), true, 'w'));
    const transform = chain(clipByGlobalNorm(3), adamW({ learningRate: 0.01, weightDecay: 0.1 }));
    let state = transform.init([w]);
    const values: number[][] = [];
    for (let i = 2; i < 7; i++) {
      const grads = { w: of(i, 10 ** (i % 3)) };
      const { updates, state: next, metrics } = transform.update(grads, state, [w]);
      state = next;
      for (const x of [...Object.values(state.tensors), ...Object.values(updates), ...Object.values(metrics)]) {
        values.push([...(await x.data())]);
      }
      applyUpdates([w], updates);
      tf.dispose([grads, updates, metrics] as tf.TensorContainer);
    }
    tf.dispose(state.tensors as Record<string, tf.Tensor>);
    tf.disposeVariables();
    return values;
  };
  expect(tf.getKernel('TsrlAdamW', tf.getBackend())).toBeDefined();
  const fast = await result();
  uninstallFastKernels();
  const slow = await result();
  installFastKernels();
  expect(fast.length).toBe(20);
  // The norm is summed in float64 by the one and in float32 by the other, and clipped elements below 1 cancel in m.
  fast.forEach((x, i) => {
    expect(maxError(x, slow[i]!, { absolute: 6e-8, relative: 2e-6 })).toBeLessThan(1);
  });
});

test('a copy of a moment, or of a state, keeps its numbers when the state moves on', async () => {
  const variables = variablesOf({ b: [1, 2, 3, 4] });
  const transform = adamW({ learningRate: 0.1 });
  const first = step(transform, { b: [1, -1, 2, -2] }, transform.init(variables), variables);
  const copy = tf.clone(first.tensors['adamW/m/b']!);
  const before = [...(await copy.data())];
  const second = step(transform, { b: [5, 5, 5, 5] }, first, variables);
  expect([...(await copy.data())]).toEqual(before);
  expect([...(await second.tensors['adamW/m/b']!.data())]).not.toEqual(before);
  const third = step(transform, { b: [5, 5, 5, 5] }, second, variables);
  expect([...(await copy.data())]).toEqual(before);
  tf.dispose([copy, third.tensors] as tf.TensorContainer);
});

describe('sgd', () => {
  test.each([0, 0.9])('follows its definition, momentum %s', async (momentum) => {
    const rng = createRng(11);
    const theta = draw(rng);
    const variables = variablesOf(theta);
    const learningRate = linear(0.1, 0.01, 40);
    const transform = sgd({ learningRate, momentum });
    let state = transform.init(variables);
    const buffer: Values = Object.fromEntries(Object.keys(theta).map((n) => [n, Array(sizeOf(n)).fill(0)]));
    for (let t = 0; t < 50; t++) {
      const grads = draw(rng);
      state = step(transform, grads, state, variables);
      for (const [name, g] of Object.entries(grads)) {
        for (let i = 0; i < g.length; i++) {
          buffer[name]![i] = momentum * buffer[name]![i]! + g[i]!;
          theta[name]![i]! -= learningRate(t) * buffer[name]![i]!;
        }
      }
    }
    expect(maxError(flat(await readVariables(variables)), flat(theta), afterSteps(50))).toBeLessThan(1);
    expect(Object.keys(state.tensors)).toEqual(
      momentum ? ['w', 'b', 'k', 'scale'].map((n) => `sgd/momentum/${n}`) : [],
    );
    tf.dispose(state.tensors as Record<string, tf.Tensor>);
  });
});

describe.each(ways)('globalNorm and clipByGlobalNorm, %s', (way) => {
  compute(way);

  test('the norm is that of all gradients together', async () => {
    await forAllAsync(
      [fc.integer(), fc.constantFrom(1e-3, 1, 1e4)],
      async (seed, scale) => {
        const grads = draw(createRng(seed), scale);
        const tensors = tensorsOf(grads);
        const result = globalNorm({ ...tensors, absent: null });
        expect(maxError(await result.data(), [norm(flat(grads))], float32)).toBeLessThan(1);
        tf.dispose([tensors, result]);
      },
      { runs: 30 },
    );
    const none = globalNorm({ absent: null });
    expect([...(await none.data())]).toEqual([0]);
    none.dispose();
  });

  test('a large matrix does not lose what a running float32 sum loses', async () => {
    const ones = tf.fill([9000, 300], 0.1);
    const result = globalNorm({ w: ones });
    const expected = Math.sqrt(9000 * 300) * Math.fround(0.1);
    expect(Math.abs(((await result.data())[0] as number) / expected - 1)).toBeLessThan(1e-5);
    tf.dispose([ones, result]);
  });

  test('is g · min(1, maxNorm / ‖g‖): never above the bound, the identity below it, in the same direction', async () => {
    await forAllAsync(
      [fc.integer(), fc.constantFrom(1e-2, 1, 100), fc.constantFrom(0.5, 3, 50)],
      async (seed, size, maxNorm) => {
        const grads = draw(createRng(seed), size);
        const before = norm(flat(grads));
        const updates = flat(await firstUpdates(clipByGlobalNorm(maxNorm), grads, grads));
        const factor = Math.min(1, maxNorm / before);
        expect(
          maxError(
            updates,
            flat(grads).map((x) => x * factor),
            float32,
          ),
        ).toBeLessThan(1);
        expect(norm(updates)).toBeLessThanOrEqual(maxNorm * (1 + 1e-6));
        if (before < maxNorm * 0.999) expect(updates).toEqual(flat(grads));
      },
      { runs: 40 },
    );
  });

  test('tells the norm before clipping, of the variables at hand only', async () => {
    const variables = variablesOf({ b: [0, 0, 0, 0] });
    const grads = tensorsOf({ b: [3, 0, 4, 0], w: Array(12).fill(9) });
    const transform = clipByGlobalNorm(1);
    const result = transform.update(grads, transform.init(variables), variables);
    expect([...(await (result.metrics['gradNorm'] as tf.Scalar).data())]).toEqual([5]);
    expect(Object.keys(result.updates)).toEqual(['b']);
    disposeAll(result);
    tf.dispose(grads);
  });

  test.each([NaN, Infinity, -Infinity, 3e38])('a norm that is not finite (%s) makes every update NaN', async (bad) => {
    const updates = await firstUpdates(
      clipByGlobalNorm(1),
      { b: [1, bad, 2, 3], scale: [1] },
      { b: [0, 0, 0, 0], scale: [0] },
    );
    expect(flat(updates)).toEqual([NaN, NaN, NaN, NaN, NaN]);
  });

  test('a gradient of zero stays zero', async () => {
    expect(await firstUpdates(clipByGlobalNorm(1), { scale: [0] }, { scale: [1] })).toEqual({ scale: [0] });
  });
});

describe('chain', () => {
  const rng = createRng(5);
  const [at, grads] = [draw(rng), draw(rng)];

  test('of nothing is the identity, of one is that one', async () => {
    expect(await firstUpdates(chain(), grads, at)).toEqual(grads);
    const alone = adamW({ learningRate: 0.1 });
    expect(await firstUpdates(chain(alone), grads, at)).toEqual(await firstUpdates(alone, grads, at));
    expect(await firstUpdates(chain(chain(), alone, chain()), grads, at)).toEqual(await firstUpdates(alone, grads, at));
  });

  test('is associative, and applies from left to right', async () => {
    const [a, b, c] = [sgd({ learningRate: 0.5 }), clipByGlobalNorm(0.25), adamW({ learningRate: 0.1 })] as const;
    expect(await firstUpdates(chain(chain(a, b), c), grads, at)).toEqual(
      await firstUpdates(chain(a, chain(b, c)), grads, at),
    );
    const clippedFirst = flat(await firstUpdates(chain(b, a), grads, at));
    const clippedLast = flat(await firstUpdates(chain(a, b), grads, at));
    expect(norm(clippedFirst)).toBeCloseTo(0.125, 6);
    expect(norm(clippedLast)).toBeCloseTo(0.25, 6);
  });

  test('counts one step for all, and keeps the metrics of each', async () => {
    const seen: number[] = [];
    const learningRate = (i: number): number => {
      seen.push(i);
      return 0.1;
    };
    const transform = chain(clipByGlobalNorm(1), sgd({ learningRate }), adamW({ learningRate }), clipByGlobalNorm(9));
    const variables = variablesOf(at);
    let state = transform.init(variables);
    for (let i = 0; i < 3; i++) state = step(transform, grads, state, variables);
    expect(seen).toEqual([0, 0, 1, 1, 2, 2]);
    expect(state.step).toBe(3);
    tf.dispose(state.tensors as Record<string, tf.Tensor>);
  });

  test('refuses two transforms whose state has one name', () => {
    const variables = variablesOf(at);
    const twice = chain(adamW({ learningRate: 1 }), adamW({ learningRate: 1 }));
    expect(() => twice.init(variables)).toThrow('chain: transforms must be of different kinds; got "adamW/m/w"');
  });
});

describe('state', () => {
  const transforms: [string, () => GradientTransform][] = [
    ['adamW', () => adamW({ learningRate: warmup(3, cosine(0.1, 0, 30)), weightDecay: 0.1 })],
    ['sgd with momentum', () => sgd({ learningRate: 0.1, momentum: 0.9 })],
    ['a chain', () => chain(clipByGlobalNorm(0.5), adamW({ learningRate: linear(0.1, 0, 30) }))],
  ];

  test.each(transforms)('%s resumes bit for bit from its tensors and its JSON', async (_, make) => {
    const rng = createRng(13);
    const start = draw(rng);
    const gradients = Array.from({ length: 20 }, () => draw(rng));
    const run = async (interruptAt?: number): Promise<[Values, Values]> => {
      let variables = variablesOf(start);
      let transform = make();
      let state = transform.init(variables);
      for (const [i, grads] of gradients.entries()) {
        if (i === interruptAt) {
          const weights = await readVariables(variables);
          const tensors = await read(state.tensors);
          const saved = JSON.stringify({ step: state.step });
          tf.dispose(state.tensors as Record<string, tf.Tensor>);
          tf.disposeVariables();
          variables = variablesOf(weights);
          transform = make();
          const restored = Object.entries(tensors).map(([key, data]): [string, tf.Tensor] => [
            key,
            tf.tensor(data, shapes[key.split('/').at(-1) as string]),
          ]);
          state = { ...(JSON.parse(saved) as { step: number }), tensors: Object.fromEntries(restored) };
        }
        state = step(transform, grads, state, variables);
      }
      const result: [Values, Values] = [await readVariables(variables), await read(state.tensors)];
      tf.dispose(state.tensors as Record<string, tf.Tensor>);
      tf.disposeVariables();
      return result;
    };
    expect(await run(7)).toEqual(await run());
  });

  test.each(transforms)('%s moves the state, and owns nothing else', (_, make) => {
    const variables = variablesOf(draw(createRng(1)));
    const grads = tensorsOf({ w: Array(12).fill(1), b: [1, 2, 3, 4], k: Array(12).fill(0.5) }); // none for scale
    const transform = make();
    const before = tf.memory().numTensors;
    const state = transform.init(variables);
    const kept = Object.keys(state.tensors).length;
    expect(tf.memory().numTensors - before).toBe(kept);

    const result = transform.update(grads, state, variables);
    const returned = kept + Object.keys(result.updates).length + Object.keys(result.metrics).length;
    expect(tf.memory().numTensors - before).toBe(returned);
    for (const [key, tensor] of Object.entries(state.tensors)) {
      expect([key, tensor.isDisposed]).toEqual([key, !key.endsWith('/scale')]);
      expect(Object.keys(result.state.tensors)).toContain(key);
    }
    expect([...variables, ...Object.values(grads)].some((x) => x.isDisposed)).toBe(false);
    expect(Object.keys(result.updates)).toEqual(['w', 'b', 'k']);
    disposeAll(result);
    tf.dispose(grads);
  });

  test('a null gradient is an absent one', async () => {
    const variables = variablesOf({ b: [1, 2, 3, 4], scale: [1] });
    const transform = chain(clipByGlobalNorm(1), adamW({ learningRate: 0.1, weightDecay: 0.1 }));
    const b = tf.ones([4]);
    const result = transform.update({ b, scale: null }, transform.init(variables), variables);
    applyUpdates(variables, result.updates);
    expect((await readVariables(variables))['scale']).toEqual([1]);
    disposeAll(result);
    b.dispose();
  });

  test('data of the backend are given back, not only handles', () => {
    const variables = variablesOf(draw(createRng(1)));
    const transform = chain(clipByGlobalNorm(1), adamW({ learningRate: 0.1 }));
    const grads = draw(createRng(2));
    let state = step(transform, grads, transform.init(variables), variables);
    const { numTensors, numDataBuffers } = tf.memory();
    for (let i = 0; i < 5; i++) state = step(transform, grads, state, variables);
    expect(tf.memory()).toMatchObject({ numTensors, numDataBuffers });
    tf.dispose(state.tensors as Record<string, tf.Tensor>);
  });
});

describe('errors', () => {
  test.each([
    [
      () => adamW({ learningRate: -1 }),
      'adamW: learningRate must be a finite number of at least 0, or a schedule of them; got -1',
    ],
    [() => adamW({ learningRate: NaN }), /learningRate must be .* got NaN/],
    [() => adamW({ learningRate: 1, beta1: 1 }), 'adamW: beta1 must be in [0, 1); got 1'],
    [() => adamW({ learningRate: 1, beta2: -0.1 }), 'adamW: beta2 must be in [0, 1); got -0.1'],
    [() => adamW({ learningRate: 1, epsilon: 0 }), 'adamW: epsilon must be positive; got 0'],
    [
      () => adamW({ learningRate: 1, weightDecay: -1 }),
      'adamW: weightDecay must be a finite number of at least 0; got -1',
    ],
    [() => sgd({ learningRate: Infinity }), /sgd: learningRate must be .* got Infinity/],
    [() => sgd({ learningRate: 1, momentum: 1 }), 'sgd: momentum must be in [0, 1); got 1'],
    [() => clipByGlobalNorm(0), 'clipByGlobalNorm: maxNorm must be positive and finite; got 0'],
    [() => clipByGlobalNorm(NaN), 'clipByGlobalNorm: maxNorm must be positive and finite; got NaN'],
  ] as [() => unknown, string | RegExp][])('options are checked when built: %#', (build, message) => {
    expect(build).toThrow(message);
  });

  test('a schedule that gives no rate, a gradient or a state that does not fit: nothing is disposed of', () => {
    const variables = variablesOf({ b: [1, 2, 3, 4] });
    const transform = adamW({ learningRate: (i) => (i === 0 ? 0.1 : NaN) });
    const state = transform.init(variables);
    const [good, bad] = [tf.ones([4]), tf.ones([3])];
    const wrongState = { step: 0, tensors: { 'adamW/m/b': bad, 'adamW/v/b': good } };

    expect(() => transform.update({ b: good }, { ...state, step: 1 }, variables)).toThrow(/learningRate .* got NaN/);
    expect(() => transform.update({ b: bad }, state, variables)).toThrow(
      'adamW: the gradient of b must be [4]; got [3]',
    );
    expect(() => transform.update({ b: good }, { step: 0, tensors: {} }, variables)).toThrow(
      'adamW: the state must hold adamW/m/b of shape [4]; it lacks adamW/m/b',
    );
    expect(() => transform.update({ b: good }, wrongState, variables)).toThrow(
      'adamW: the state must hold adamW/m/b of shape [4]; it has adamW/m/b of shape [3]',
    );
    expect(() => applyUpdates(variables, { b: bad })).toThrow('applyUpdates: the update of b must be [4]; got [3]');
    expect([good, bad, ...Object.values(state.tensors)].some((x) => x.isDisposed)).toBe(false);
    tf.dispose([good, bad, state.tensors] as tf.TensorContainer);
  });
});

test('schedules are those of core', () => {
  expect([constant, cosine, linear, warmup]).toEqual([core.constant, core.cosine, core.linear, core.warmup]);
});
