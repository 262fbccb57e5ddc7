// A thread of workers.test.ts: the policy and method there, from what the package was built to.
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { serveGradients } from '../dist/node.js';

tf.enableProdMode(); // no banner

await serveGradients(async ({ vocabulary, dieAt }) => {
  await tf.setBackend('cpu');
  const weights = tf.variable(tf.zeros([vocabulary, 1]), true, 'policy');
  let calls = 0;
  return {
    policy: {
      variables: [weights],
      score: ({ ids }) => ({ logits: tf.reshape(tf.sum(tf.gather(weights, ids), 1), [-1]) }),
    },
    method: {
      name: 'cross-entropy',
      observes: 'nothing',
      loss: ({ logits, labels }, { sequences }) => {
        if (calls++ === dieAt) process.exit(3);
        const sum = tf.sum(tf.sub(tf.softplus(logits), tf.mul(labels, logits)));
        return { loss: tf.div(sum, sequences), metrics: { odds: tf.mean(logits) } };
      },
    },
  };
});
