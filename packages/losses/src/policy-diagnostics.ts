import * as tf from '@tensorflow/tfjs-core';
import { k1, k2, k3, maskedMax, maskedMean, stopGradient, zeroMasked } from '@tsrl/tensor';
import { expectClips } from './option-checks.js';
import { expectPolicyInputs, type PolicyInputs } from './policy-inputs.js';
import { defaultRange, fractionOf, tokenRatio } from './policy-ratio.js';
import type { PpoClipOptions } from './ppo-clip.js';

/**
 * How far a policy has moved from the one that sampled, and how often the clip of `ppoClip` holds it, over the mask:
 *
 *   clipFractionLow    share of tokens with ρ < 1 − clipLow and A < 0, whose gradient is cut
 *   clipFractionHigh   share of tokens with ρ > 1 + clipHigh and A > 0, likewise
 *   dualClipFraction   share of tokens with A < 0 and ρ > dualClip; 0 without a dual clip
 *   k1, k2, k3         estimates of KL(π_old ‖ π): means of −x, x²/2 and exp(x) − 1 − x, x = log π − log π_old
 *   ratioMean, ratioMax
 *
 * The two clip fractions add up to `clipFraction` of `ppoClip`. Not part of that loss: a maximum is no mean, which parts
 * of a batch could be averaged by, and a step need not pay for what is looked at now and then. Nothing is differentiable.
 * Without a token all are 0.
 *
 * Differences: TRL's `clip_ratio/low_mean` and `high_mean` are the first two; verl's `pg_clipfrac_lower` is the third.
 *
 * @returns scalars, owned by the caller
 * @throws OptionError and ShapeError
 * @see Schulman et al. 2017, arXiv:1707.06347; Schulman 2020, "Approximating KL divergence"
 */
export function policyDiagnostics(
  inputs: PolicyInputs,
  { clipLow = 0.2, clipHigh = clipLow, dualClip, logRatioRange = defaultRange }: Omit<PpoClipOptions, 'aggregate'> = {},
): Readonly<Record<PolicyDiagnostic, tf.Scalar>> {
  expectClips('policyDiagnostics', { clipLow, clipHigh, dualClip, logRatioRange });
  expectPolicyInputs('policyDiagnostics', inputs);
  return tf.tidy(() => {
    const { mask } = inputs;
    const ratio = stopGradient(tokenRatio(inputs, logRatioRange));
    const advantages = zeroMasked(inputs.advantages, mask);
    const [now, old] = [zeroMasked(stopGradient(inputs.logProbs), mask), zeroMasked(inputs.oldLogProbs, mask)];
    const [gain, loss] = [tf.greater(advantages, 0), tf.less(advantages, 0)];
    const share = (of: tf.Tensor, and: tf.Tensor): tf.Scalar => fractionOf(tf.logicalAnd(of, and), mask);
    return {
      clipFractionLow: share(loss, tf.less(ratio, 1 - clipLow)),
      clipFractionHigh: share(gain, tf.greater(ratio, 1 + clipHigh)),
      dualClipFraction: dualClip === undefined ? tf.scalar(0) : share(loss, tf.greater(ratio, dualClip)),
      k1: maskedMean(k1(old, now), mask),
      k2: maskedMean(k2(old, now), mask),
      k3: maskedMean(k3(old, now), mask),
      ratioMean: maskedMean(ratio, mask),
      ratioMax: maskedMax(ratio, mask),
    };
  });
}

/** What {@link policyDiagnostics} tells. */
export type PolicyDiagnostic =
  | 'clipFractionLow'
  | 'clipFractionHigh'
  | 'dualClipFraction'
  | 'k1'
  | 'k2'
  | 'k3'
  | 'ratioMean'
  | 'ratioMax';
