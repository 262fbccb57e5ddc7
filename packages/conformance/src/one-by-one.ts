import * as tf from '@tensorflow/tfjs-core';
import type { Loss, LossResult } from '@tsrl/losses';

/** What `oneByOne` may be told. */
export interface OneByOneOptions<Inputs> {
  /** Inputs that belong to all examples together. */
  readonly ofBatch?: readonly (keyof Inputs)[];
  /** What to take of the result of each; default its loss. */
  readonly take?: (result: LossResult) => tf.Scalar;
}

/** The losses of the examples of a batch, [B]: each is the loss of a batch of one. */
export function oneByOne<Inputs extends object>(
  loss: Loss<Inputs>,
  inputs: Inputs,
  { ofBatch = [], take = ({ loss: total }) => total }: OneByOneOptions<Inputs> = {},
): tf.Tensor1D {
  const named = Object.entries(inputs) as [keyof Inputs, tf.Tensor][];
  const count = named.find(([name]) => !ofBatch.includes(name))?.[1].shape[0] ?? 0;
  const taken = Array.from({ length: count }, (_, i) => {
    const row = named.map(([name, x]) => [name, ofBatch.includes(name) ? x : tf.slice(x, i, 1)]);
    return take(loss(Object.fromEntries(row) as Inputs));
  });
  return tf.stack(taken) as tf.Tensor1D;
}

/** For `take`: a metric. */
export const metric =
  (name: string) =>
  ({ metrics }: LossResult): tf.Scalar =>
    metrics[name] as tf.Scalar;
