import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { type BackendName, useBackend } from '@tsrl/tensor';
import { afterEach, beforeAll, beforeEach, expect } from 'vitest';

tf.enableProdMode();

beforeAll(async () => {
  if (process.env['TSRL_BACKEND'] === 'webgpu') {
    const { openDevice } = await import('./packages/kernels/test/webgpu-device.ts');
    openDevice();
    // Node waits for a device; the tests of all backends read at once.
    if (!expect.getState().testPath?.endsWith('webgpu.test.ts')) {
      const { registerSynchronousWebgpu } = await import('./packages/kernels/test/webgpu-synchronous.ts');
      registerSynchronousWebgpu();
    }
  }
  await useBackend(process.env['TSRL_BACKEND'] as BackendName); // with the fast kernels, as users have it
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
