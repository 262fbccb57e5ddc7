import * as tf from '@tensorflow/tfjs-core';
import { padTokens } from '@tsrl/data';
import type { TokenBatch } from '@tsrl/tensor';

/** A tokenised, labelled data set; the sequences are already cut to the length that the policy takes. */
export interface Examples {
  readonly sequences: readonly Int32Array[];
  /** [N], 0 or 1. */
  readonly labels: Float64Array;
  /**
   * [N], in [0, 1]: what a method is to learn in place of the labels, such as beliefs in wrong labels (`posteriorLabels`
   * of @tsrl/rewards). Whatever counts or draws examples, and every evaluation, goes by the labels.
   */
  readonly targets?: Float64Array;
}

/** The chosen sequences as one padded batch on the device; the caller disposes of it. */
export function tokenBatch(sequences: readonly Int32Array[], positions: Int32Array): TokenBatch {
  const chosen = Array.from(positions, (i) => sequences[i] as Int32Array);
  const maxLength = chosen.reduce((most, { length }) => Math.max(most, length), 1);
  const { ids, lengths, rows, columns } = padTokens(chosen, { maxLength });
  return { ids: tf.tensor2d(ids, [rows, columns], 'int32'), lengths: tf.tensor1d(lengths, 'int32') };
}
