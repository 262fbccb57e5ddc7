import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { clipByGlobalNorm } from '@tsrl/optim';

await tf.setBackend('cpu');
const variables = [tf.variable(tf.tensor1d([0, 0]), true, 'w')];
const clip = clipByGlobalNorm(1);

const { updates } = clip.update({ w: tf.tensor1d([3, 4]) }, clip.init(variables), variables);
const clipped = await updates['w']!.data();
if (Math.abs(clipped[0]! - 0.6) > 1e-6 || Math.abs(clipped[1]! - 0.8) > 1e-6) {
  throw new Error(`[3, 4] must be clipped to [0.6, 0.8]; got [${clipped}]`);
}
