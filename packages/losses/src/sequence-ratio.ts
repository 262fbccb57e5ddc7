import * as tf from '@tensorflow/tfjs-core';
import {
  expectSameShape,
  expectShape,
  type Loss,
  maskedMean,
  type PerSequence,
  type PerToken,
  type StepContext,
  sequenceMean,
  stopGradient,
  zeroMasked,
} from '@tsrl/tensor';
import type { RatioInputs } from './policy-inputs.js';

/**
 * A loss of token ratios as one of the ratio of the whole response, the same at all its tokens:
 *
 *   s_i = exp(Σ_t m_it (logProbs_it − oldLogProbs_it) / n_i),  n_i = Σ_t m_it
 *
 * The loss sees log s_i in place of `logProbs` and 0 in place of `oldLogProbs`, so that it must be a loss of their
 * difference, as `ppoClip` is. The gradient of s_i spreads over the tokens: ∂ s_i / ∂ logProbs_it = s_i m_it / n_i.
 * With `ppoClip` and `sequenceMean` it is `gspo`; with another aggregation a response weighs by its length, which
 * TRL's documentation warns of and `luspo` wants.
 *
 * TRL calls it `importance_sampling_level="sequence"`.
 *
 * @throws ShapeError when called
 * @see Zheng et al. 2025, arXiv:2507.18071
 */
export function sequenceRatio<Inputs extends RatioInputs>(loss: Loss<Inputs>): Loss<Inputs> {
  return (inputs, context = {}) => {
    expectRatioInputs('sequenceRatio', inputs);
    return tf.tidy(() => {
      const logProbs = sequenceLogRatio(inputs);
      const { loss: value, metrics } = loss({ ...inputs, logProbs, oldLogProbs: tf.zerosLike(logProbs) }, context);
      return { loss: value, metrics: { ...metrics } };
    });
  };
}

/**
 * The same value as `sequenceRatio`, with a gradient of its own for each token:
 *
 *   s_it = sg(s_i) · exp(logProbs_it − sg(logProbs_it)),  ∂ s_it / ∂ logProbs_it = s_i
 *
 * so that the tokens of one response may have different advantages. The loss sees `logProbs` as they are, and
 * sg(logProbs − log s_i) in place of `oldLogProbs`; it may use `logProbs` beside the ratio, as `cispo` does. With
 * `ppoClip` and `sequenceMean` it is `gspoToken`, whose gradient is that of `gspo` where the advantages of a response
 * are equal.
 *
 * TRL's experimental `importance_sampling_level="sequence_token"`, and what verl calls `gspo`.
 *
 * @throws ShapeError when called
 * @see Zheng et al. 2025, arXiv:2507.18071
 */
export function sequenceTokenRatio<Inputs extends RatioInputs>(loss: Loss<Inputs>): Loss<Inputs> {
  return (inputs, context = {}) => {
    expectRatioInputs('sequenceTokenRatio', inputs);
    return tf.tidy(() => {
      const oldLogProbs = stopGradient(tf.sub<PerToken>(inputs.logProbs, sequenceLogRatio(inputs)));
      const { loss: value, metrics } = loss({ ...inputs, oldLogProbs }, context);
      return { loss: value, metrics: { ...metrics } };
    });
  };
}

/** log s_i at every token of row i; 0 in a row without one. */
function sequenceLogRatio({ logProbs, oldLogProbs, mask }: RatioInputs): PerToken {
  const difference = tf.sub(zeroMasked(logProbs, mask), zeroMasked(oldLogProbs, mask));
  return overTokens(maskedMean(difference, mask, { axis: 1 }), mask);
}

/** The mean of a number per row over the rows with tokens, or over `context.sequences`. */
export function meanOfRows(perRow: tf.Tensor, mask: PerToken, context: StepContext): tf.Scalar {
  return sequenceMean(overTokens(perRow, mask), mask, context);
}

/** A number per row, at each of its positions. */
export function overTokens(perRow: tf.Tensor, { shape }: PerToken): PerToken {
  // To no columns at all `tf.broadcastTo` does not go: it leaves the one that there is.
  if (shape[1] === 0) return tf.zeros(shape);
  return tf.broadcastTo<tf.Rank.R2>(tf.expandDims(perRow, 1), shape);
}

/** 1 for the rows with tokens, 0 for the others, [B]. */
export function rowsWithTokens(mask: PerToken): PerSequence {
  // Not the maximum, which wasm does not write where a row has no columns.
  return tf.cast<PerSequence>(tf.greater(tf.sum(mask, 1), 0), 'float32');
}

/** A number per row, 0 for the rows without a token: what those are given may be NaN. */
export function ofRows(perRow: PerSequence, mask: PerToken): PerSequence {
  return zeroMasked(perRow, rowsWithTokens(mask));
}

export function expectRatioInputs(who: string, { logProbs, oldLogProbs, mask }: RatioInputs): void {
  expectShape(who, 'logProbs', logProbs, ['B', 'T']);
  expectSameShape(who, { logProbs, oldLogProbs, mask });
}
