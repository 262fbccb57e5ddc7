import type * as tf from '@tensorflow/tfjs-core';
import { type BinaryInputs, binaryCrossEntropy } from '@tsrl/losses';
import type { BinaryScores, Loss } from '@tsrl/tensor';

/** Options of `supervised`. */
export interface SupervisedOptions {
  /**
   * What is minimised; default `binaryCrossEntropy()`. The other losses of @tsrl/losses over `{ logits, labels }` fit too,
   * bounded and corrected ones among them.
   */
  readonly loss?: Loss<BinaryInputs>;
}

/** Supervised fine-tuning; fits the `Method` of `@tsrl/training`, with nothing to observe. */
export interface Supervised {
  readonly name: 'sft';
  readonly observes: readonly [];
  prepare(observation: { readonly labels: Float64Array }): { readonly labels: Float64Array };
  readonly loss: Loss<BinaryScores & { readonly labels: tf.Tensor1D }>;
}

/** The comparator: a loss against the labels alone, through the same loop, optimizer and number of steps. */
export function supervised({ loss = binaryCrossEntropy() }: SupervisedOptions = {}): Supervised {
  return { name: 'sft', observes: [], prepare: ({ labels }) => ({ labels }), loss };
}
