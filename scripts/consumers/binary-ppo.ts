import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { binaryPpo } from '@tsrl/binary-ppo';

await tf.setBackend('cpu');
const { loss } = binaryPpo({ supervisedCoefficient: 0, entropyCoefficient: 0 });
const [logits, labels] = [tf.tensor1d([0]), tf.tensor1d([1])];
const weights = tf.tensor2d([[0.5, 0.5]]);
const advantages = tf.tensor2d([[1, 3]]);

// Before the first step the policy is the behaviour policy: the loss is minus the mean advantage.
const oldLogProbs = tf.tensor2d([[Math.log(0.5), Math.log(0.5)]]);
const result = loss({ logits, oldLogProbs, labels, weights, advantages, returns: advantages });
const [value] = await result.loss.data();
if (value !== -2) throw new Error(`the loss must be -2; got ${value}`);
