import * as tf from '@tensorflow/tfjs-core';
import type { BinaryPolicy } from '@tsrl/tensor';
import { float32, maxError } from '@tsrl/testing';
import { expect, test } from 'vitest';
import { computeGradients, type Examples, type Method, type Minibatch } from '../src/index.ts';
import { startWorkers } from '../src/node.ts';

const vocabulary = 5;
const script = new URL('worker.mjs', import.meta.url);
/** Vitest's own flags would lead the threads to TypeScript sources. */
const options = { execArgv: [] };

const method: Method<{ labels: Float64Array }> = {
  name: 'cross-entropy',
  observes: 'nothing',
  prepare: ({ labels }) => ({ labels }),
  loss: ({ logits, labels }, { sequences = logits.size } = {}) => ({
    loss: tf.div(tf.sum(tf.sub(tf.softplus(logits), tf.mul(labels, logits))), sequences),
    metrics: { odds: tf.mean(logits) },
  }),
};

function linearPolicy(): BinaryPolicy {
  const start = tf.tensor2d([0.3, -0.2, 0.5, 0.1, -0.4], [vocabulary, 1]);
  const weights = tf.variable(start, true, 'policy') as tf.Variable<tf.Rank.R2>;
  start.dispose();
  return {
    variables: [weights],
    score: ({ ids }) => ({ logits: tf.reshape(tf.sum(tf.gather(weights, ids), 1), [-1]) }),
  };
}

function minibatch(size: number): Minibatch<{ labels: Float64Array }> {
  const sequences = Array.from({ length: size }, (_, i) => Int32Array.of(i % 5, (2 * i) % 5, (3 * i + 1) % 5));
  const labels = Float64Array.from(sequences, (_, i) => (i % 3 === 0 ? 1 : 0));
  const examples: Examples = { sequences, labels };
  const order = Int32Array.from({ length: size }, (_, i) => size - 1 - i);
  return { examples, positions: order, columns: { labels }, rows: order };
}

async function numbers(policy: BinaryPolicy, batch: Minibatch<{ labels: Float64Array }>, compute = computeGradients) {
  const { grads, metrics } = await compute(policy, method, batch, { step: 0, sequences: batch.rows.length });
  const gradient = Float32Array.from(await (grads['policy'] as tf.Tensor).data());
  tf.dispose({ ...grads });
  return { gradient, metrics };
}

test.each([
  [2, 7],
  [3, 7],
  [4, 2],
  [2, 1],
])('%i threads give the gradients and metrics of one on %i examples, the same each time', async (threads, size) => {
  const policy = linearPolicy();
  const pool = await startWorkers(policy, { threads, script, options, data: { vocabulary, dieAt: -1 } });
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
      // The workers must see what the main thread's variables are now.
      const [weights] = policy.variables as [tf.Variable];
      const moved = tf.tidy(() => tf.add(weights, 0.25));
      weights.assign(moved);
      moved.dispose();
    }
  } finally {
    await pool.close();
  }
});

test('a worker that dies ends the step with a sentence, and nothing leaks', async () => {
  const policy = linearPolicy();
  const pool = await startWorkers(policy, { threads: 2, script, options, data: { vocabulary, dieAt: 1 } });
  try {
    await numbers(policy, minibatch(4), pool.compute);
    const death = 'training: a worker thread stopped: exit code 3; --resume goes on from the checkpoint';
    await expect(numbers(policy, minibatch(4), pool.compute)).rejects.toThrow(death);
    await expect(numbers(policy, minibatch(4), pool.compute)).rejects.toThrow(death);
  } finally {
    await pool.close();
  }
});

test('a loss that throws in a worker says so', async () => {
  const policy = linearPolicy();
  const pool = await startWorkers(policy, {
    threads: 2,
    script,
    options,
    data: { vocabulary: vocabulary + 1, dieAt: -1 },
  });
  try {
    await expect(numbers(policy, minibatch(4), pool.compute)).rejects.toThrow('training: a worker thread failed: ');
  } finally {
    await pool.close();
  }
});

test('a script that cannot start is told of at once', async () => {
  const policy = linearPolicy();
  const missing = new URL('no-such-worker.mjs', import.meta.url);
  await expect(startWorkers(policy, { threads: 2, script: missing, options, data: null })).rejects.toThrow(
    'training: a worker thread stopped: Cannot find module',
  );
});
