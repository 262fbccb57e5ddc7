import * as tf from '@tensorflow/tfjs-core';
import type { Aggregate, PerSequence, PerToken, StepContext } from '@tsrl/tensor';
import { perLength } from './pair.js';

/**
 * Negative log-likelihood of whole responses, by an aggregation of tokens: a response of n tokens is one token of mean
 * log-prob that weighs n. So `tokenMean` is −Σ L / Σ n, `sequenceMean` the mean of −L / n, `sequenceSum` that of −L.
 * Responses without a token add nothing. Not for export.
 */
export function imitation(
  aggregate: Aggregate,
  logProbs: PerSequence,
  lengths: PerSequence,
  context: StepContext,
): tf.Scalar {
  const column = (x: PerSequence): PerToken => tf.reshape(x, [-1, 1]);
  return tf.neg(aggregate(column(perLength(logProbs, lengths)), column(lengths), context));
}
