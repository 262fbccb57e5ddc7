import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, expect } from 'vitest';

tf.enableProdMode();

beforeAll(async () => {
  const backend = process.env['TSRL_BACKEND'] ?? 'wasm';
  // `tensor` puts its faster kernels over a backend in useBackend only: a package that can see it tests with them.
  const { useBackend } = (await import('@tsrl/tensor').catch(() => ({}))) as {
    useBackend?: (name: string) => Promise<unknown>;
  };
  if (useBackend) await useBackend(backend);
  else await tf.setBackend(backend);
  await tf.ready();
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
