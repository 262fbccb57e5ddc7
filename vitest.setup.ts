import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { type BackendName, useBackend } from '@tsrl/tensor';
import { afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { openDevice } from './packages/kernels/test/webgpu-device.ts';
import { registerSynchronousWebgpu } from './packages/kernels/test/webgpu-synchronous.ts';

tf.enableProdMode();

beforeAll(async () => {
  if (process.env['TSRL_BACKEND'] === 'webgpu') {
    openDevice();
    // Node waits for a device; the tests of all backends read at once.
    if (!expect.getState().testPath?.endsWith('webgpu.test.ts')) registerSynchronousWebgpu();
  }
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
