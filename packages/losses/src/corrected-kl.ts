import * as tf from '@tensorflow/tfjs-core';
import {
  type Aggregate,
  expectSameShape,
  expectShape,
  k3,
  type Loss,
  maskedMean,
  type PerToken,
  stopGradient,
  tokenMean,
  zeroMasked,
} from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawMask, drawTokens } from './example.js';
import type { RatioInputs } from './policy-inputs.js';
import { tokenRatio } from './policy-ratio.js';
import { withTokenTerms } from './token-terms.js';

/** Options of `correctedKl`. */
export interface CorrectedKlOptions {
  /** How the estimates of tokens become one number; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/** Inputs of `correctedKl`. */
export interface CorrectedKlInputs extends RatioInputs {
  /** log π_ref of the same tokens, [B, T], constant. */
  readonly refLogProbs: PerToken;
}

/**
 * The divergence from a reference at tokens that another policy sampled, weighted back to the present one:
 *
 *   loss = agg(ρ · (exp(−d) − 1 + d)),  ρ = exp(clamp(logProbs − oldLogProbs, ±20)),  d = clamp(logProbs − refLogProbs, ±20)
 *
 * ρ has its gradient, and so the gradient in logProbs is ρ d: over tokens of π_old the expectation of the loss is
 * KL(π ‖ π_ref) and that of its gradient is the gradient of it, where `kl` with `k3` has the gradient of KL(π_ref ‖ π),
 * and on tokens of the present policy only. At π = π_old the gradient is that of `kl` with `k2`.
 *
 * Differences: TRL's `use_bias_correction_kl` does not clamp.
 *
 * Metric: `kl`, the mean of ρ (exp(−d) − 1 + d) over the mask.
 *
 * @throws ShapeError when called
 * @see DeepSeek-AI 2025 (DeepSeek-V3.2), arXiv:2512.02556, unbiased KL estimate
 */
export function correctedKl({ aggregate = tokenMean }: CorrectedKlOptions = {}): Loss<CorrectedKlInputs> {
  const loss: Loss<CorrectedKlInputs> = (inputs, context = {}) => {
    const { logProbs, oldLogProbs, refLogProbs, mask } = inputs;
    expectShape('correctedKl', 'logProbs', logProbs, ['B', 'T']);
    expectSameShape('correctedKl', { logProbs, oldLogProbs, refLogProbs, mask });
    return tf.tidy(() => {
      const estimate = k3(zeroMasked(logProbs, mask), zeroMasked(refLogProbs, mask));
      const weighted = tf.mul<PerToken>(tokenRatio(inputs), estimate);
      const loss = aggregate(weighted, mask, context);
      // The same number needs no second sum.
      const isMean = aggregate === tokenMean && context.tokens === undefined;
      return { loss, metrics: { kl: isMean ? stopGradient(loss) : maskedMean(stopGradient(weighted), mask) } };
    });
  };
  const slope = (logProb: number, values: Float32Array, at: number): number => {
    const [moved, away] = [logProb - (values[at] as number), logProb - (values[at + 1] as number)];
    const [inner, d] = [Math.min(Math.max(moved, -20), 20), Math.min(Math.max(away, -20), 20)];
    const ofRatio = inner === moved ? Math.expm1(-d) + d : 0;
    const ofEstimate = d === away ? -Math.expm1(-d) : 0;
    // Where neither is clamped the two add up to d, without cancelling.
    return Math.exp(inner) * (inner === moved && d === away ? d : ofRatio + ofEstimate);
  };
  const inputs = ['oldLogProbs', 'refLogProbs'];
  return withTokenTerms(loss, () => [{ of: 'logProbs', inputs, slope, aggregate }]);
}

export const correctedKlEntry: LossEntry<CorrectedKlInputs> = {
  name: 'correctedKl',
  formula: 'ρ (exp(−d) − 1 + d), ρ = π / π_old, d = log π − log π_ref',
  citation: 'arXiv:2512.02556',
  per: 'token',
  differentiable: ['logProbs'],
  example: (shape, rng) => ({
    logProbs: drawTokens(shape, drawLogProb(rng)),
    oldLogProbs: drawTokens(shape, drawLogProb(rng)),
    refLogProbs: drawTokens(shape, drawLogProb(rng)),
    mask: drawMask(shape, rng),
  }),
  evaluate: correctedKl(),
  build: (aggregate) => correctedKl({ aggregate }),
};
