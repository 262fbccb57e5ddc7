import * as tf from '@tensorflow/tfjs-core';
import {
  expectSameShape,
  expectShape,
  type Loss,
  maskedSum,
  type PerSequence,
  type PerToken,
  stopGradient,
} from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawPolicyInputs, drawSequences, drawTokens } from './example.js';
import { expectPositive } from './option-checks.js';
import type { RatioInputs } from './policy-inputs.js';
import { meanOfRows, ofRows } from './sequence-ratio.js';

/** Options of `directValue`. */
export interface DirectValueOptions {
  /** β > 0, default 0.1. */
  readonly beta?: number;
  /** The importance weight of a response is at most this. Positive; default 10. */
  readonly maxWeight?: number;
}

/** Inputs of `directValue`. */
export interface DirectValueInputs extends RatioInputs {
  /** log π_ref of the same tokens, [B, T], constant. */
  readonly refLogProbs: PerToken;
  /** One of each response (a segment, where responses are cut), [B], constant. */
  readonly advantages: PerSequence;
}

/**
 * The implicit value of a response regressed on its advantage (direct value optimization):
 *
 *   loss = (1 / B₊) Σ_i ½ w_i (β Σ_t m_it (logProbs − refLogProbs)_it − A_i)²
 *   w_i = sg(min(exp(Σ_t m_it (logProbs − oldLogProbs)_it), maxWeight))
 *
 * Its minimum over all policies is the one that maximizes the advantage less β times the divergence from the reference.
 * Gradient in logProbs, at every token of a response: w_i β (β Σ − A_i) / B₊. Rows without a token do not count.
 *
 * Differences: segment-SPO's `dvo`, from which the weight is, divides by all rows. The paper is offline: w = 1.
 *
 * Metrics, means over the responses: `logRatioMean` (of the sums to the reference), `weightMean`, `weightClipFraction`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Zhang et al. 2025, arXiv:2502.13723; weighted as in the code of Guo et al. 2025, arXiv:2505.23564
 */
export function directValue({ beta = 0.1, maxWeight = 10 }: DirectValueOptions = {}): Loss<DirectValueInputs> {
  for (const [name, value] of Object.entries({ beta, maxWeight })) {
    expectPositive('directValue', name, value);
  }
  return ({ logProbs, oldLogProbs, refLogProbs, advantages, mask }, context = {}) => {
    expectShape('directValue', 'logProbs', logProbs, ['B', 'T']);
    expectSameShape('directValue', { logProbs, oldLogProbs, refLogProbs, mask });
    expectShape('directValue', 'advantages', advantages, [logProbs.shape[0]]);
    return tf.tidy(() => {
      const total = (x: PerToken): PerSequence => maskedSum(x, mask, { axis: 1 }) as PerSequence;
      const limit = Math.log(maxWeight);
      const moved = stopGradient(total(tf.sub(logProbs, oldLogProbs)));
      const weight = tf.exp(tf.minimum(moved, limit));
      const away = total(tf.sub(logProbs, refLogProbs));
      const error = tf.square(tf.sub(tf.mul(away, beta), ofRows(advantages, mask)));
      const mean = (x: tf.Tensor, at = {}): tf.Scalar => meanOfRows(x, mask, at);
      return {
        loss: mean(tf.mul(tf.mul(weight, error), 0.5), context),
        metrics: {
          logRatioMean: mean(stopGradient(away)),
          weightMean: mean(weight),
          weightClipFraction: mean(tf.cast(tf.greater(moved, limit), 'float32')),
        },
      };
    });
  };
}

export const directValueEntry: LossEntry<DirectValueInputs> = {
  name: 'directValue',
  formula: '½ sg(min(π / π_old, C)) (β log π / π_ref − A)², sums over a response',
  citation: 'arXiv:2502.13723',
  per: 'token',
  differentiable: ['logProbs'],
  excused: { descent: 'the weight depends on the policy, and has no gradient on purpose' },
  example(shape, rng) {
    const { advantages: perToken, ...inputs } = drawPolicyInputs(shape, rng);
    perToken.dispose();
    return {
      ...inputs,
      refLogProbs: drawTokens(shape, drawLogProb(rng)),
      advantages: drawSequences(shape, () => rng.normal()),
    };
  },
  evaluate: directValue(),
};
