import * as tf from '@tensorflow/tfjs-core';
import type { Loss } from '@tsrl/losses';

/**
 * The losses of the examples of a batch, [B]: each is the loss of a batch of one. Inputs named in `ofBatch` belong to
 * all of them.
 */
export function oneByOne<Inputs extends object>(
  loss: Loss<Inputs>,
  inputs: Inputs,
  ofBatch: readonly (keyof Inputs)[] = [],
): tf.Tensor1D {
  const named = Object.entries(inputs) as [keyof Inputs, tf.Tensor][];
  const count = named.find(([name]) => !ofBatch.includes(name))?.[1].shape[0] ?? 0;
  const losses = Array.from({ length: count }, (_, i) => {
    const row = named.map(([name, x]) => [name, ofBatch.includes(name) ? x : tf.slice(x, i, 1)]);
    return loss(Object.fromEntries(row) as Inputs).loss;
  });
  return tf.stack(losses) as tf.Tensor1D;
}
