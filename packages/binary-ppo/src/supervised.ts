import type * as tf from '@tensorflow/tfjs-core';
import { type BinaryCrossEntropyOptions, binaryCrossEntropy } from '@tsrl/losses';
import type { BinaryScores, Loss } from '@tsrl/tensor';

/** Supervised fine-tuning; fits the `Method` of `@tsrl/training`, with nothing to observe. */
export interface Supervised {
  readonly name: 'sft';
  readonly observes: readonly [];
  prepare(observation: { readonly labels: Float64Array }): { readonly labels: Float64Array };
  readonly loss: Loss<BinaryScores & { readonly labels: tf.Tensor1D }>;
}

/**
 * The comparator: cross-entropy with the labels alone, through the same loop, optimizer and number of steps.
 *
 * @throws OptionError as `binaryCrossEntropy` does
 */
export function supervised(options: BinaryCrossEntropyOptions = {}): Supervised {
  return {
    name: 'sft',
    observes: [],
    prepare: ({ labels }) => ({ labels }),
    loss: binaryCrossEntropy(options),
  };
}
