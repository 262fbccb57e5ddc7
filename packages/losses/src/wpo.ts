import * as tf from '@tensorflow/tfjs-core';
import { expectSameShape, expectShape, maskedMean, type PerSequence, type PerToken, stopGradient } from '@tsrl/tensor';

/** Inputs of `wpoWeights`, for the responses of one side. */
export interface WpoInputs {
  /** log π of the tokens of the responses, [B, T]. */
  readonly logProbs: PerToken;
  /** Σ_v π(v)² of the same positions, [B, T]: `sumSquaredProbs` of @tsrl/tensor. */
  readonly sumSquaredProbs: PerToken;
  /** [B, T]: 1 where a token of the response stands. */
  readonly mask: PerToken;
}

/**
 * How likely the policy of now is to write a response itself, against what it would write (weighted preference
 * optimization):
 *
 *   w = exp((1 / n) Σ_t (log π(y_t) − log Σ_v π(v)²)), [B], without gradient
 *
 * The weight of a pair is w(y_w) · w(y_l): `weights` of a loss of pairs. On a response drawn from the policy w is about 1; it can be above (for the most
 * likely token π / Σ π² is at least 1). A response without a token has 1.
 *
 * Differences: none to TRL's `use_weighting`.
 *
 * @throws ShapeError
 * @see Zhou et al. 2024, arXiv:2406.11827, section 3
 */
export function wpoWeights({ logProbs, sumSquaredProbs, mask }: WpoInputs): PerSequence {
  expectShape('wpoWeights', 'logProbs', logProbs, ['B', 'T']);
  expectSameShape('wpoWeights', { logProbs, sumSquaredProbs, mask });
  return tf.tidy(() => {
    const surprise = tf.sub(stopGradient(logProbs), tf.log(stopGradient(sumSquaredProbs)));
    return tf.exp(maskedMean(surprise, mask, { axis: 1 })) as PerSequence;
  });
}
