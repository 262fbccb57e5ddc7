import * as tf from '@tensorflow/tfjs-core';
import {
  type Aggregate,
  expectSameShape,
  expectShape,
  type KlEstimator,
  k1,
  k2,
  k3,
  kAbs,
  type Loss,
  maskedMean,
  type PerToken,
  stopGradient,
  straightThrough,
  tokenMean,
  zeroMasked,
} from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawMask, drawTokens } from './example.js';
import type { TokenInputs } from './token-inputs.js';
import { withTokenTerms } from './token-terms.js';

/** Options of `kl`. */
export interface KlOptions {
  /**
   * `k1`, `k2`, `k3`, `kAbs` or `straightThrough(…)` of @tsrl/tensor. Default `k3`, as in GRPO; its expected gradient
   * is that of KL(π_ref ‖ π). `k2` and `straightThrough(k3)` have that of KL(π ‖ π_ref); that of `k1` is 0.
   */
  readonly estimator?: KlEstimator;
  /** How the estimates of tokens become one number; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/** Inputs of `kl`. */
export interface KlInputs extends TokenInputs {
  /** log π_ref of the same tokens, [B, T], constant. */
  readonly refLogProbs: PerToken;
}

/**
 * How far the policy is from a reference, estimated at the tokens that it sampled: loss = agg(estimate).
 *
 * Metric: `kl`, the mean of the estimates over the mask.
 *
 * @throws ShapeError when called
 * @see Shao et al. 2024, arXiv:2402.03300, equation 4; Schulman 2020, "Approximating KL divergence"
 */
export function kl({ estimator = k3, aggregate = tokenMean }: KlOptions = {}): Loss<KlInputs> {
  const loss: Loss<KlInputs> = ({ logProbs, refLogProbs, mask }, context = {}) => {
    expectShape('kl', 'logProbs', logProbs, ['B', 'T']);
    expectSameShape('kl', { logProbs, refLogProbs, mask });
    return tf.tidy(() => {
      const estimate = estimator(zeroMasked(logProbs, mask), zeroMasked(refLogProbs, mask));
      const loss = aggregate(estimate, mask, context);
      // The same number needs no second sum.
      const isMean = aggregate === tokenMean && context.tokens === undefined;
      return { loss, metrics: { kl: isMean ? stopGradient(loss) : maskedMean(stopGradient(estimate), mask) } };
    });
  };
  const derivative = estimator.slope;
  if (!derivative) return loss;
  const slope = (logProb: number, values: Float32Array, at: number): number =>
    derivative(logProb - (values[at] as number));
  return withTokenTerms(loss, () => [{ of: 'logProbs', inputs: ['refLogProbs'], slope, aggregate }]);
}

export const klEntry: LossEntry<KlInputs> = {
  name: 'kl',
  formula: 'exp(−d) − 1 + d, d = log π − log π_ref',
  citation: 'arXiv:2402.03300',
  per: 'token',
  differentiable: ['logProbs'],
  example: (shape, rng) => ({
    logProbs: drawTokens(shape, drawLogProb(rng)),
    refLogProbs: drawTokens(shape, drawLogProb(rng)),
    mask: drawMask(shape, rng),
  }),
  evaluate: kl(),
  variants: {
    k1: kl({ estimator: k1 }),
    k2: kl({ estimator: k2 }),
    kAbs: kl({ estimator: kAbs }),
    'the gradient of k2': kl({ estimator: straightThrough(k3) }),
  },
  build: (aggregate) => kl({ aggregate }),
};
