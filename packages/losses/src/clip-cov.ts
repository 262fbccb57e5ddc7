import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import {
  type Aggregate,
  expectSameShape,
  type Loss,
  maskedMean,
  type PerToken,
  stopGradient,
  tokenMean,
  zeroMasked,
} from '@tsrl/tensor';
import { smallest, tokenCovariance } from './covariance.js';
import type { LossEntry } from './entry.js';
import { drawPolicyInputs, drawTokens } from './example.js';
import { expectClips } from './option-checks.js';
import { expectPolicyInputs, type PolicyInputs } from './policy-inputs.js';
import { policyRatio } from './policy-ratio.js';
import { ppoClip } from './ppo-clip.js';

/** Options of `clipCovMask`. */
export interface ClipCovMaskOptions {
  /** The ratio counts no further below 1 than this; in [0, 1), default 0.2. */
  readonly clipLow?: number;
  /** The ratio counts no further above 1 than this; default `clipLow`. */
  readonly clipHigh?: number;
  /** How many tokens are dropped, as a share of all; in [0, 1], default 2e-4. At least one is. */
  readonly fraction?: number;
  /** Tokens with a covariance in this open interval may be dropped; default [1, 5]. */
  readonly covarianceRange?: readonly [number, number];
}

/** Options of `clipCov`. */
export interface ClipCovOptions extends ClipCovMaskOptions {
  /** How the losses of tokens become one; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/** Inputs of `clipCov`. */
export interface ClipCovInputs extends PolicyInputs {
  /** A random number for each token, [B, T], constant: of the tokens that may be dropped, those with the smallest are. */
  readonly draws: PerToken;
}

/**
 * PPO without the few tokens that would cost the policy most of its entropy (Clip-Cov): `ppoClip`, with the loss of
 * the chosen tokens times 0, the denominators of the aggregation as they were.
 *
 * Chosen, at random by way of `draws`, are max(1, ⌊fraction · N⌋) of the tokens (N of them count) whose covariance
 * cov_t = (A_t − mean A) (logProbs_t − mean logProbs) is in `covarianceRange` and which PPO does not clip; all where
 * they are fewer. The means, and N, are those of the batch at hand: parts of a batch choose for themselves.
 *
 * Differences: verl draws inside the loss; here the draws are an input (uniform numbers of an `Rng`, `toTensor` of
 * them), so that the loss is a function and the same draws give the same choice. verl does not clamp the log-ratio.
 *
 * Metrics: those of `ppoClip`, and `droppedFraction`, over the mask.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Cui et al. 2025, arXiv:2505.22617, Clip-Cov
 */
export function clipCov({ aggregate = tokenMean, ...options }: ClipCovOptions = {}): Loss<ClipCovInputs> {
  const { clipLow, clipHigh } = checked('clipCov', options);
  return (inputs, context = {}) => {
    expectInputs('clipCov', inputs);
    return tf.tidy(() => {
      const kept = keptBy('clipCov', inputs, options);
      const weighted: Aggregate = (perToken, mask, at) => aggregate(tf.mul(perToken, kept), mask, at);
      const { loss, metrics } = ppoClip({ clipLow, clipHigh, aggregate: weighted })(inputs, context);
      return { loss, metrics: { ...metrics, droppedFraction: maskedMean(tf.sub(1, kept), inputs.mask) } };
    });
  };
}

/**
 * The tokens that `clipCov` keeps, as 0 and 1, [B, T]; 0 where the mask is. To look at them, or to choose once for a
 * batch that is then taken in parts: they go into any loss as weights of its tokens (`tokenWeighted`).
 *
 * @throws OptionError, ShapeError
 */
export function clipCovMask(inputs: ClipCovInputs, options: ClipCovMaskOptions = {}): PerToken {
  checked('clipCovMask', options);
  expectInputs('clipCovMask', inputs);
  return tf.tidy(() => zeroMasked(keptBy('clipCovMask', inputs, options), inputs.mask));
}

function keptBy(who: string, inputs: ClipCovInputs, options: ClipCovMaskOptions): PerToken {
  const { clipLow, clipHigh, fraction, covarianceRange } = checked(who, options);
  const { mask } = inputs;
  const { advantage, ratio } = policyRatio(who, { ...inputs, logProbs: stopGradient(inputs.logProbs) });
  const clipped = tf.mul(tf.clipByValue(ratio, 1 - clipLow, 1 + clipHigh), advantage);
  const free = tf.lessEqual(tf.mul(ratio, advantage), clipped);
  const covariance = tokenCovariance(inputs);
  const [low, high] = covarianceRange;
  const inRange = tf.logicalAnd(tf.greater(covariance, low), tf.less(covariance, high));
  const candidates = tf.logicalAnd(tf.logicalAnd(inRange, free), tf.greater(mask, 0));
  return tf.sub<PerToken>(1, smallest(zeroMasked(inputs.draws, mask), candidates, mask, fraction));
}

function checked(
  who: string,
  { clipLow = 0.2, clipHigh = clipLow, fraction = 2e-4, covarianceRange = [1, 5] }: ClipCovMaskOptions,
): Required<ClipCovMaskOptions> {
  expectClips(who, { clipLow, clipHigh });
  if (!(fraction >= 0 && fraction <= 1)) throw new OptionError(who, 'fraction', 'in [0, 1]', fraction);
  if (!(covarianceRange[0] < covarianceRange[1])) {
    throw new OptionError(who, 'covarianceRange', 'a range [low, high]', covarianceRange);
  }
  return { clipLow, clipHigh, fraction, covarianceRange };
}

function expectInputs(who: string, inputs: ClipCovInputs): void {
  expectPolicyInputs(who, inputs);
  expectSameShape(who, { logProbs: inputs.logProbs, draws: inputs.draws });
}

export const clipCovEntry: LossEntry<ClipCovInputs> = {
  name: 'clipCov',
  formula: 'ppoClip × [not chosen among the tokens with (A − mean A)(log π − mean log π) in (1, 5)]',
  citation: 'arXiv:2505.22617',
  per: 'token',
  differentiable: ['logProbs'],
  excused: {
    parts: 'which tokens are dropped depends on means over the batch',
    descent: 'which tokens are dropped depends on the policy, and jumps',
  },
  example: (shape, rng) => ({
    ...drawPolicyInputs(shape, rng),
    draws: drawTokens(shape, () => rng.uniform()),
  }),
  evaluate: clipCov(),
  variants: { 'more tokens': clipCov({ fraction: 0.3, covarianceRange: [0.1, 5] }) },
  build: (aggregate) => clipCov({ covarianceRange: [0.1, 5], aggregate }),
};
