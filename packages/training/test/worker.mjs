// A thread of workers.test.ts: the policy and method there, from what the package was built to.
import { parentPort } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '@tsrl/tensor';
import { serveWorker } from '../dist/node.js';

tf.enableProdMode(); // no banner

const death = {
  exit: () => process.exit(3),
  throw: () => {
    throw new Error('a bad day');
  },
  uncaught: () => {
    parentPort.postMessage = () => {}; // it might still answer, and die too late
    setTimeout(() => {
      throw new Error('nobody caught it');
    });
  },
};

await serveWorker(async ({ backend, start, dieAt = {}, how = 'exit', helped }) => {
  await useBackend(backend);
  const weights = tf.variable(tf.tensor(start, [start.length, 1]), true, 'policy');
  const calls = { gradients: 0, scores: 0 };
  return {
    policy: {
      variables: [weights],
      score: ({ ids }, { values } = {}) => {
        const kind = tf.engine().state.gradientDepth > 0 ? 'gradients' : 'scores';
        if (kind === 'scores') {
          Atomics.add(helped, 0, 1);
          Atomics.notify(helped, 0);
        }
        if (calls[kind]++ === dieAt[kind]) death[how]();
        const logits = tf.reshape(tf.sum(tf.gather(weights, ids), 1), [-1]);
        return values ? { logits, values: tf.square(logits) } : { logits };
      },
    },
    method: {
      name: 'cross-entropy',
      observes: [],
      loss: ({ logits, labels }, { sequences }) => {
        const sum = tf.sum(tf.sub(tf.softplus(logits), tf.mul(labels, logits)));
        return { loss: tf.div(sum, sequences), metrics: { odds: tf.mean(logits) } };
      },
    },
  };
});
