import * as tf from '@tensorflow/tfjs-core';
import { createRng, isTsrlError } from '@tsrl/core';
import { installFastKernels, uninstallFastKernels } from '@tsrl/kernels/tfjs';
import { float32, maxError } from '@tsrl/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { entropy, logNormalizer, selectiveLogSoftmax, useBackend } from '../src/index.ts';

const onWebgpu = process.env['TSRL_BACKEND'] === 'webgpu';

describe.skipIf(onWebgpu)("useBackend('webgpu') says what is missing", () => {
  const withNavigator = (value: object | undefined): void => {
    Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
  };
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  afterEach(() => {
    if (before) Object.defineProperty(globalThis, 'navigator', before);
    else Reflect.deleteProperty(globalThis, 'navigator');
  });
  const problem = async (): Promise<string> => {
    const current = tf.getBackend();
    const error: unknown = await useBackend('webgpu').catch((caught: unknown) => caught);
    expect(isTsrlError(error, 'backend')).toBe(true);
    expect(tf.getBackend()).toBe(current);
    return (error as Error).message;
  };

  test('a navigator, and how Node gets one', async () => {
    for (const value of [undefined, {}]) {
      withNavigator(value);
      expect(await problem()).toBe(
        'useBackend: the webgpu backend needs navigator.gpu, which this environment lacks; in Node, `npm install webgpu`, ' +
          "and before this call `import { create, globals } from 'webgpu'`, `Object.assign(globalThis, globals)`, " +
          "`Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) } })`",
      );
    }
  });

  test('a driver', async () => {
    withNavigator({ gpu: { requestAdapter: async () => null } });
    expect(await problem()).toBe(
      'useBackend: the webgpu backend needs a graphics driver (Vulkan, Metal or Direct3D 12); navigator.gpu finds none',
    );
  });

  test('the order of imports', async () => {
    withNavigator(undefined);
    await import('@tensorflow/tfjs-backend-webgpu');
    withNavigator({ gpu: { requestAdapter: async () => ({}) } });
    expect(await problem()).toBe(
      'useBackend: @tensorflow/tfjs-backend-webgpu was imported before navigator.gpu was there; import it later',
    );
  });
});

describe.skipIf(!onWebgpu)(
  "useBackend('webgpu') in Node (project :webgpu, which needs chromium and libvulkan1 of Debian)",
  () => {
    const [rows, size] = [12, 1031];
    const rng = createRng(7);
    const x = Array.from({ length: rows * size }, () => 4 * rng.normal());
    x.fill(Number.NEGATIVE_INFINITY, 3, 500);
    const ids = Array.from({ length: rows * 2 }, (_, i) => (i === 5 ? -100 : (i * 389) % size));
    const options = { temperature: 0.7 };
    const functions: Record<string, (logits: tf.Tensor) => tf.Tensor> = {
      selectiveLogSoftmax: (logits) => selectiveLogSoftmax(logits, tf.tensor(ids, [3, 4, 2], 'int32'), options),
      logNormalizer: (logits) => logNormalizer(logits, options),
      entropy: (logits) => entropy(logits, options),
    };

    /** Value and gradient, weighted so that positions differ. */
    const measure = async (f: (logits: tf.Tensor) => tf.Tensor): Promise<number[]> => {
      const logits = tf.tensor(x, [3, 4, size]);
      const value = tf.tidy(() => f(logits));
      const gradient = tf.grad((y) => {
        const out = f(y);
        return tf.sum(tf.mul(out, tf.reshape(tf.range(1, out.size + 1), out.shape)));
      })(logits);
      const numbers = [...(await value.data()), ...(await gradient.data())];
      tf.dispose([logits, value, gradient]);
      return numbers;
    };

    test('is the current backend, with its kernels', async () => {
      expect(await useBackend('webgpu')).toBe('webgpu');
      expect(tf.getBackend()).toBe('webgpu');
      expect(installFastKernels()).toContain('TsrlSelectiveLogSoftmax');
    });

    test.each(Object.entries(functions))('%s is the same by kernel and by operations of tfjs', async (_, f) => {
      installFastKernels();
      const { numBytes } = tf.memory();
      const byKernel = await measure(f);
      uninstallFastKernels();
      const composed = await measure(f);
      installFastKernels();
      expect(byKernel.every((value) => !Number.isNaN(value))).toBe(true);
      expect(maxError(byKernel, composed, float32)).toBeLessThan(1);
      expect(tf.memory().numBytes).toBe(numBytes);
    });
  },
);
