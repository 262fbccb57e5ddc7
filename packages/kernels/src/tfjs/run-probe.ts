import * as tf from '@tensorflow/tfjs-core';
import type { Probe } from './fast-kernel.js';

/** Whether the registered kernel gives what the probe expects; also false when it throws. */
export function passes(kernelName: string, { inputs, attrs = {}, outputs }: Probe): boolean {
  const { numTensors } = tf.memory();
  try {
    return tf.tidy(() => {
      const tensors = Object.entries(inputs).map(([name, { values, shape, dtype = 'float32' }]) => [
        name,
        tf.tensor([...values], [...shape], dtype),
      ]);
      const got = tf.engine().runKernel(kernelName, Object.fromEntries(tensors), { ...attrs } as tf.NamedAttrMap);
      const results = (Array.isArray(got) ? got : [got]) as tf.TensorInfo[];
      return results.length === outputs.length && results.every((result, i) => agrees(result, outputs[i] ?? []));
    });
  } catch {
    return false;
  } finally {
    tf.util.assert(tf.memory().numTensors === numTensors, () => `the probe of ${kernelName} leaks tensors`);
  }
}

function agrees({ dataId }: tf.TensorInfo, expected: readonly number[]): boolean {
  const values = (tf.backend() as unknown as SynchronousBackend).readSync(dataId);
  return (
    values.length === expected.length &&
    expected.every((want, i) => {
      const got = values[i] as number;
      return Object.is(got, want) || Math.abs(got - want) <= 1e-5 * Math.max(1, Math.abs(want));
    })
  );
}

/** The backends of the processor can be read without waiting. */
interface SynchronousBackend {
  readSync(dataId: object): ArrayLike<number>;
}
