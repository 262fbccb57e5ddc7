import * as tf from '@tensorflow/tfjs-core';
import type { GoldenCase } from './golden.js';
import { tensorOf } from './inputs.js';
import type { Computed, Values } from './outcome.js';

/** The inputs of a case as tensors. */
export interface DeviceInputs {
  /** Any input as float32: numbers, and masks of whatever type. */
  float<T extends tf.Tensor = tf.Tensor2D>(name: string): T;
  /** An input as int32: token ids. */
  ids<T extends tf.Tensor = tf.Tensor2D>(name: string): T;
  /** Lets an intermediate tensor out of the function that made it. */
  keep<T extends tf.Tensor>(tensor: T): T;
}

/** What `onDevice` must know besides the computation. */
export interface DeviceOptions {
  /** The output whose sum the gradients are of. */
  readonly of: string;
  /** The entries that count, for the outputs that the source does not mask. */
  readonly counts?: Readonly<Record<string, ArrayLike<number>>>;
}

/** Runs a computation on the current backend, and takes the gradients that the case asks for. */
export async function onDevice(
  golden: GoldenCase,
  { of, counts = {} }: DeviceOptions,
  compute: (inputs: DeviceInputs) => Record<string, tf.Tensor>,
): Promise<Computed> {
  const names = Object.keys(golden.gradients);
  const kept: tf.Tensor[] = [];
  const inputs = (leaves: Readonly<Record<string, tf.Tensor>>): DeviceInputs => ({
    float: <T extends tf.Tensor>(name: string) => (leaves[name] ?? tensor(golden, name, 'float32')) as T,
    ids: <T extends tf.Tensor>(name: string) => tensor(golden, name, 'int32') as T,
    keep(held) {
      const copy = tf.keep(tf.clone(held));
      kept.push(copy);
      return copy;
    },
  });
  try {
    const tensors = tf.tidy(() => {
      const leaves = names.map((name) => tensor(golden, name, 'float32'));
      const byName = (values: readonly tf.Tensor[]): Record<string, tf.Tensor> =>
        Object.fromEntries(names.map((name, i) => [name, values[i] as tf.Tensor]));
      const outputs = compute(inputs(byName(leaves)));
      const sum = (...values: tf.Tensor[]): tf.Scalar =>
        tf.sum<tf.Scalar>(compute(inputs(byName(values)))[of] as tf.Tensor);
      return { outputs, gradients: byName(names.length > 0 ? tf.grads(sum)(leaves) : []) };
    });
    kept.push(...Object.values(tensors.outputs), ...Object.values(tensors.gradients));
    return {
      kind: 'computed',
      precision: 'float32',
      outputs: await download(tensors.outputs, counts),
      gradients: await download(tensors.gradients),
    };
  } finally {
    tf.dispose(kept);
  }
}

function tensor(golden: GoldenCase, name: string, dtype: 'float32' | 'int32'): tf.Tensor {
  const { data, shape } = tensorOf(golden, name);
  return tf.tensor(Array.from(data), [...shape], dtype);
}

async function download(
  tensors: Readonly<Record<string, tf.Tensor>>,
  counts: Readonly<Record<string, ArrayLike<number>>> = {},
): Promise<Record<string, Values>> {
  const values: Record<string, Values> = {};
  for (const [name, held] of Object.entries(tensors)) {
    const which = counts[name];
    const data = Float64Array.from(await held.data());
    values[name] = which === undefined ? { shape: held.shape, data } : { shape: held.shape, data, counts: which };
  }
  return values;
}
