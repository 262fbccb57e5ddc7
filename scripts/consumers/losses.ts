import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { ppoClip } from '@tsrl/losses';

await tf.setBackend('cpu');
const loss = ppoClip({ clipLow: 0.2, clipHigh: 0.28 });
const logProbs = tf.tensor2d([[-1, -2]]);
const mask = tf.ones<tf.Rank.R2>([1, 2]);
const advantages = tf.tensor2d([[1, 3]]);

// At ratio 1 the loss is minus the mean advantage.
const result = loss({ logProbs, oldLogProbs: logProbs, advantages, mask });
const [value] = await result.loss.data();
if (value !== -2) throw new Error(`the loss must be -2; got ${value}`);
