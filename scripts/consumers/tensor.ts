import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { selectiveLogSoftmax } from '@tsrl/tensor';

await tf.setBackend('cpu');
const logits = tf.tensor2d([[1, 2, 3]]);
const ids = tf.tensor1d([2], 'int32');
const exact = 3 - Math.log(Math.exp(1) + Math.exp(2) + Math.exp(3));

const [logProb] = await selectiveLogSoftmax(logits, ids).data();
if (Math.abs(logProb! - exact) > 1e-6) throw new Error(`the log-prob must be ${exact}; got ${logProb}`);

// Node's tfjs-core registers no gradients: the package brings them.
const [, , slope] = await tf
  .grad((x) => tf.sum(selectiveLogSoftmax(x, ids)))(logits)
  .data();
if (Math.abs(slope! - (1 - Math.exp(exact))) > 1e-6) throw new Error(`the gradient must be 1 − π; got ${slope}`);
