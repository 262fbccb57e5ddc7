import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { type BackendName, useBackend } from '@tsrl/tensor';
import { afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { openDevice } from './packages/kernels/test/webgpu-device.ts';

tf.enableProdMode();

beforeAll(async () => {
  if (process.env['TSRL_BACKEND'] === 'webgpu') openDevice();
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
