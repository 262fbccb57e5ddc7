import * as tf from '@tensorflow/tfjs-core';
import { adamW } from '@tsrl/optim';
import type { BinaryPolicy } from '@tsrl/tensor';
import { float32, maxError } from '@tsrl/testing';
import { describe, expect, test, vi } from 'vitest';
import {
  type CheckpointStore,
  computeGradients,
  type Examples,
  type Method,
  type Minibatch,
  memoryStore,
  type Snapshot,
  scoreExamples,
  type TrainOptions,
  train,
  WorkerError,
} from '../src/index.ts';
import { startScorers, startWorkers, type WorkerPoolOptions } from '../src/node.ts';
import { summingMemory } from '../src/shared-parameters.ts';
import { held, weightsOf } from './fixtures.ts';

const vocabulary = 5;
const initial = [0.3, -0.2, 0.5, 0.1, -0.4];

/** How often helpers have scored a batch. */
type Helped = Int32Array;
const counter = (): Helped => new Int32Array(new SharedArrayBuffer(4));

interface WorkerData {
  readonly start?: readonly number[];
  readonly helped?: Helped;
  /** Which call of the policy is its last, counted from 0. */
  readonly dieAt?: { readonly gradients?: number; readonly scores?: number };
  readonly how?: 'exit' | 'throw' | 'uncaught';
}

/** Vitest's own flags would lead the threads to TypeScript sources. */
const pooled = (threads: number, data: WorkerData = {}): WorkerPoolOptions => ({
  threads,
  script: new URL('worker.mjs', import.meta.url),
  options: { execArgv: [] },
  data: { backend: tf.getBackend(), start: initial, helped: counter(), ...data },
});

type Labelled = Method<{ labels: Float64Array }>;

const method: Labelled = {
  name: 'cross-entropy',
  observes: [],
  prepare: ({ labels }) => ({ labels }),
  loss: ({ logits, labels }, { sequences = logits.size } = {}) => ({
    loss: tf.div(tf.sum(tf.sub(tf.softplus(logits), tf.mul(labels, logits))), sequences),
    metrics: { odds: tf.mean(logits) },
  }),
};

/** With `helped`, scoring a batch waits until a helper has begun one: so that there is no race to win. */
function linearPolicy(helped?: Helped): BinaryPolicy {
  const start = tf.tensor2d(initial, [vocabulary, 1]);
  const weights = tf.variable(start, true, 'policy') as tf.Variable<tf.Rank.R2>;
  start.dispose();
  return {
    variables: [weights],
    score: ({ ids }, { values } = {}) => {
      if (helped && tf.engine().state.gradientDepth === 0) Atomics.wait(helped, 0, 0, 20_000);
      const logits = tf.reshape(tf.sum(tf.gather(weights, ids), 1), [-1]) as tf.Tensor1D;
      return values ? { logits, values: tf.square(logits) } : { logits };
    },
  };
}

function draw(size: number): Examples {
  const sequences = Array.from({ length: size }, (_, i) => Int32Array.of(i % 5, (2 * i) % 5, (3 * i + 1) % 5));
  return { sequences, labels: Float64Array.from(sequences, (_, i) => (i % 3 === 0 ? 1 : 0)) };
}

function minibatch(size: number): Minibatch<{ labels: Float64Array }> {
  const examples = draw(size);
  const order = Int32Array.from({ length: size }, (_, i) => size - 1 - i);
  return { examples, positions: order, columns: { labels: examples.labels }, rows: order };
}

async function numbers(policy: BinaryPolicy, batch: Minibatch<{ labels: Float64Array }>, compute = computeGradients) {
  const { grads, metrics } = await compute(policy, method, batch, { step: 0, sequences: batch.rows.length });
  const gradient = Float32Array.from(await (grads['policy'] as tf.Tensor).data());
  tf.dispose({ ...grads });
  return { gradient, metrics };
}

function shift({ variables }: BinaryPolicy): void {
  const [weights] = variables as [tf.Variable];
  const moved = tf.tidy(() => tf.add(weights, 0.25));
  weights.assign(moved);
  moved.dispose();
}

describe('gradients', () => {
  test.each([
    [1, 7],
    [2, 7],
    [3, 7],
    [4, 2],
    [2, 1],
  ])('%i threads give the gradients and metrics of one on %i examples, the same each time', async (threads, size) => {
    const policy = linearPolicy();
    const pool = startWorkers(policy, pooled(threads));
    try {
      const batch = minibatch(size);
      for (let step = 0; step < 2; step++) {
        const alone = await numbers(policy, batch);
        const together = await numbers(policy, batch, pool.compute);
        expect(await numbers(policy, batch, pool.compute)).toEqual(together);
        expect(maxError(together.gradient, alone.gradient, float32)).toBeLessThanOrEqual(1);
        for (const [name, value] of Object.entries(alone.metrics)) {
          expect(maxError([together.metrics[name] as number], [value], float32)).toBeLessThanOrEqual(1);
        }
        shift(policy); // the workers must see what the main thread's variables are now
      }
    } finally {
      await pool.close();
    }
  });

  test('are the same bits where there is no shared WebAssembly memory', async () => {
    const policy = linearPolicy();
    const sums: Float32Array[] = [];
    for (const plain of [false, true]) {
      if (plain)
        vi.stubGlobal('WebAssembly', {
          ...(globalThis as unknown as Record<string, object>)['WebAssembly'],
          Memory: undefined,
        });
      const pool = startWorkers(policy, pooled(3));
      vi.unstubAllGlobals();
      try {
        sums.push((await numbers(policy, minibatch(11), pool.compute)).gradient);
      } finally {
        await pool.close();
      }
    }
    expect(sums[1]).toEqual(sums[0]);
  });

  test('the plain sum and that by SIMD add in the same order', () => {
    const parts = [1e8, 1, -1e8, 0.5].map((x) => Float32Array.from({ length: 37 }, (_, i) => x * (1 + i / 7)));
    const sums = [false, true].map((plain) => {
      if (plain) vi.stubGlobal('WebAssembly', undefined);
      const { buffer, add } = summingMemory(4 * 5 * 48);
      vi.unstubAllGlobals();
      parts.forEach((part, i) => {
        new Float32Array(buffer, 4 * 48 * (i + 1), 37).set(part);
      });
      add({ first: 4 * 48, stride: 4 * 48, parts: 4, count: 37 });
      return new Float32Array(buffer, 0, 5 * 48).slice();
    });
    expect(sums[1]).toEqual(sums[0]);
    expect(sums[0]?.[48]).toBe(0.5); // (1e8 + 1) − 1e8 is 0 in float32
  });
});

const scorers = {
  startWorkers: (policy: BinaryPolicy, options: WorkerPoolOptions) => startWorkers(policy, options),
  startScorers: (_: BinaryPolicy, options: WorkerPoolOptions) => startScorers(options),
};

describe.each(['startWorkers', 'startScorers'] as const)('scores by the threads of %s', (kind) => {
  test.each([2, 3])('%i threads give the bits of one, values too', async (threads) => {
    const { sequences } = draw(203);
    const helped = counter();
    const policy = linearPolicy(helped);
    const pool = scorers[kind](policy, pooled(threads, { helped }));
    try {
      for (const options of [{}, { batchSize: 20, values: true }, { batchSize: 500 }]) {
        const together = await pool.scoreExamples(policy, sequences, options);
        expect(await scoreExamples(policy, sequences, options)).toEqual(together);
      }
      expect(Atomics.load(helped, 0)).toBeGreaterThan(0);
      expect(await pool.scoreExamples(policy, [], { values: true })).toEqual({
        logits: new Float64Array(0),
        values: new Float64Array(0),
      });
      if (kind === 'startWorkers') {
        shift(policy);
        Atomics.store(helped, 0, 0);
        expect(await pool.scoreExamples(policy, sequences)).toEqual(await scoreExamples(policy, sequences));
      }
    } finally {
      await pool.close();
    }
  });

  test.each([
    ['exit', 'training: a worker thread stopped: exit code 3'],
    ['throw', 'training: a worker thread failed: a bad day'],
    ['uncaught', 'training: a worker thread stopped: nobody caught it'],
  ] as const)('a worker that ends by %s ends scoring with a sentence', async (how, sentence) => {
    const helped = counter();
    const policy = linearPolicy(helped);
    const pool = scorers[kind](policy, pooled(2, { helped, how, dieAt: { scores: 0 } }));
    try {
      const error = await pool.scoreExamples(policy, draw(203).sequences, { batchSize: 20 }).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(WorkerError);
      expect((error as Error).message).toBe(sentence);
    } finally {
      await pool.close();
    }
  });

  test('an error of this thread comes first, and the helpers end', async () => {
    const policy = linearPolicy();
    const broken: BinaryPolicy = {
      ...policy,
      score: () => {
        throw new Error('not here');
      },
    };
    const pool = scorers[kind](policy, pooled(2));
    try {
      const { sequences } = draw(203);
      await expect(pool.scoreExamples(broken, sequences, { batchSize: 4 })).rejects.toThrow('not here');
      expect(await pool.scoreExamples(policy, sequences)).toEqual(await scoreExamples(policy, sequences));
    } finally {
      await pool.close();
    }
  });
});

describe('a worker that fails', () => {
  test.each([
    ['exit', 'training: a worker thread stopped: exit code 3'],
    ['uncaught', 'training: a worker thread stopped: nobody caught it'],
  ] as const)('by %s ends the step with a sentence, and nothing leaks', async (how, sentence) => {
    const policy = linearPolicy();
    const pool = startWorkers(policy, pooled(2, { how, dieAt: { gradients: 1 } }));
    try {
      await numbers(policy, minibatch(4), pool.compute);
      await expect(numbers(policy, minibatch(4), pool.compute)).rejects.toThrow(sentence);
      await expect(numbers(policy, minibatch(4), pool.compute)).rejects.toThrow(sentence);
    } finally {
      await pool.close();
    }
  });

  test('by an error says so, and a policy without a variable is one', async () => {
    const policy = linearPolicy();
    const pool = startWorkers(policy, pooled(2, { start: [1, 2, 3, 4, 5, 6] }));
    const [weights] = policy.variables as [tf.Variable];
    const named = tf.variable(weights, true, 'another');
    const other = startWorkers({ ...policy, variables: [named] }, pooled(2));
    try {
      await expect(numbers(policy, minibatch(4), pool.compute)).rejects.toThrow('training: a worker thread failed: ');
      await expect(
        other.compute({ ...policy, variables: [named] }, method, minibatch(4), { step: 0 }),
      ).rejects.toThrow();
    } finally {
      named.dispose();
      await pool.close();
      await other.close();
    }
  });

  test('to start is told of by the first step', async () => {
    const policy = linearPolicy();
    const script = new URL('no-such-worker.mjs', import.meta.url);
    const pool = startWorkers(policy, { ...pooled(2), script });
    const sentence = 'training: a worker thread stopped: Cannot find module';
    await expect(numbers(policy, minibatch(4), pool.compute)).rejects.toThrow(sentence);
    await pool.close();
    expect(() => startScorers({ ...pooled(0), script })).toThrow(
      'startScorers: threads must be an integer of at least 1; got 0',
    );
    expect(() => startWorkers(policy, { ...pooled(1.5), script })).toThrow('startWorkers: threads');
  });
});

describe('a run whose worker dies', () => {
  const options = (evaluateEach: 'refresh' | 'epoch'): Omit<TrainOptions<{ labels: Float64Array }>, 'policy'> => ({
    method,
    optimizer: adamW({ learningRate: 0.1 }),
    train: draw(20),
    validation: draw(150), // three batches
    seed: 7,
    refreshes: 2,
    epochs: 2,
    batchSize: 5,
    evaluateEach,
  });

  /** One session with two threads; what it ended with. */
  async function session(evaluateEach: 'refresh' | 'epoch', store: CheckpointStore, data: WorkerData, resume: boolean) {
    const helped = counter();
    const policy = linearPolicy(helped);
    const { compute, scoreExamples, close } = startWorkers(policy, pooled(2, { ...data, helped }));
    const events: string[] = [];
    try {
      const run = train({ ...options(evaluateEach), policy, store, resume, compute, scoreExamples });
      for await (const event of run) {
        events.push(event.type);
        // Every evaluation waits for a helper anew.
        if (event.type === 'evaluate') Atomics.store(helped, 0, 0);
        if (event.type === 'end') {
          const { seconds, ...result } = event.result;
          return { result, weights: await weightsOf(policy), events };
        }
      }
      throw new Error('the run ended without a result');
    } catch (error) {
      return { error, weights: await weightsOf(policy), events };
    } finally {
      await close();
      tf.dispose([...policy.variables]);
    }
  }

  const stepOf = async (store: CheckpointStore): Promise<number | undefined> => {
    const snapshot = (await store.load()) as (Snapshot & { state: { run: { step: number } } }) | undefined;
    return snapshot?.state.run.step;
  };

  // 16 steps; evaluations after 4, 8, 12 and 16 of them, or after 8 and 16, each with one call of the helper or more
  describe.each(['refresh', 'epoch'] as const)('evaluated after each %s', (evaluateEach) => {
    test.each<[string, NonNullable<WorkerData['dieAt']>, WorkerData['how'], number | undefined]>([
      ['in the first step', { gradients: 0 }, 'exit', undefined],
      ['in the second step, before the first checkpoint', { gradients: 1 }, 'exit', 1],
      ['in a later step', { gradients: 10 }, 'uncaught', 10],
      ['in the last step', { gradients: 15 }, 'throw', 15],
      ['in the first evaluation', { scores: 0 }, 'exit', evaluateEach === 'epoch' ? 4 : 8],
    ])('%s leaves the last complete step, and is resumed bit for bit', async (_, dieAt, how, step) => {
      const whole = memoryStore();
      const undisturbed = await session(evaluateEach, whole, {}, false);
      const store = memoryStore();
      const killed = await session(evaluateEach, store, { dieAt, ...(how && { how }) }, false);
      expect(killed.error).toBeInstanceOf(WorkerError);
      expect(await stepOf(store)).toBe(step);
      expect(killed.events.filter((type) => type === 'step').length).toBe(step ?? 0);
      if (step !== undefined) {
        const { tensors } = (await store.load()) as Snapshot;
        expect(tensors['weights/policy']?.data).toEqual(killed.weights['policy']);
      }
      const resumed = await session(evaluateEach, store, {}, true);
      expect(resumed.result).toEqual(undisturbed.result);
      expect(resumed.weights).toEqual(undisturbed.weights);
      expect(await held(store)).toEqual(await held(whole));
    });
  });
});
