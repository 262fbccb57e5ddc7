import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { type BackendName, useBackend } from '@tsrl/tensor';
import { afterEach, beforeAll, beforeEach, expect } from 'vitest';

tf.enableProdMode();

beforeAll(async () => {
  await useBackend(process.env['TSRL_BACKEND'] as BackendName); // with its repairs, as users have it
});

let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});

afterEach(() => {
  tf.disposeVariables();
  const left = tf.memory().numTensors - before;
  if (left !== 0) expect.fail(`the test leaked ${left} tensors`);
});
