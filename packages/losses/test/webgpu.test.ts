import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { useBackend } from '@tsrl/tensor';
import { float32, maxError } from '@tsrl/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { losses } from '../src/registry.ts';

const onWebgpu = process.env['TSRL_BACKEND'] === 'webgpu';

type Tensors = Record<string, tf.Tensor>;

/** Loss and gradients of every entry, on the backend of the moment. */
async function evaluateAll(): Promise<Map<string, readonly number[]>> {
  const results = new Map<string, readonly number[]>();
  for (const entry of losses) {
    const inputs = entry.example({ sequences: 4, tokens: 5 }, createRng(3)) as Tensors;
    const names = entry.differentiable as readonly string[];
    const f = (...xs: tf.Tensor[]): tf.Scalar =>
      entry.evaluate({ ...inputs, ...Object.fromEntries(names.map((name, i) => [name, xs[i] as tf.Tensor])) }).loss;
    const { value, grads } = tf.valueAndGrads(f)(names.map((name) => inputs[name] as tf.Tensor));
    const numbers = await Promise.all([value, ...grads].map((x) => x.data()));
    results.set(
      entry.name,
      numbers.flatMap((data) => [...data]),
    );
    tf.dispose([inputs, value, grads]);
  }
  return results;
}

describe.skipIf(!onWebgpu)(
  'every loss on webgpu (project :webgpu, which needs chromium and libvulkan1 of Debian)',
  () => {
    let [expected, got] = [new Map<string, readonly number[]>(), new Map<string, readonly number[]>()];
    beforeAll(async () => {
      got = await evaluateAll();
      await useBackend('cpu');
      expected = await evaluateAll();
      await useBackend('webgpu');
    });

    test.each(losses.map(({ name }) => name))('%s: value and gradients are those of the cpu', (name) => {
      const numbers = expected.get(name) ?? [];
      expect(numbers.every(Number.isFinite)).toBe(true);
      expect(maxError(got.get(name) ?? [], numbers, float32)).toBeLessThanOrEqual(1);
    });
  },
);
