import * as tf from '@tensorflow/tfjs-core';
import { type Aggregate, type Loss, type PerToken, stopGradient, tokenMean } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawPolicyInputs } from './example.js';
import { expectClips } from './option-checks.js';
import type { PolicyInputs } from './policy-inputs.js';
import { defaultRange, fractionOf, policyRatio } from './policy-ratio.js';
import { withTokenTerms } from './token-terms.js';

/** Options of `ppoClip`. */
export interface PpoClipOptions {
  /** The ratio counts no further below 1 than this; in [0, 1), default 0.2. */
  readonly clipLow?: number;
  /** The ratio counts no further above 1 than this; default `clipLow`. DAPO's "clip higher" is 0.28. */
  readonly clipHigh?: number;
  /** c > 1: the loss of a token with a negative advantage is at most −c A. Off by default; 3 where it is on. */
  readonly dualClip?: number;
  /** The log-ratio is clamped to this range, which holds 0; default [−20, 20], [−∞, ∞] does not clamp. */
  readonly logRatioRange?: readonly [number, number];
  /** How the losses of tokens become one; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/** Inputs of `ppoClip`. */
export type PpoClipInputs = PolicyInputs;

/**
 * The clipped surrogate of PPO, per token and then aggregated:
 *
 *   ρ = exp(clamp(logProbs − oldLogProbs, logRatioRange))
 *   loss = −min(ρ A, clip(ρ, 1 − clipLow, 1 + clipHigh) A),  at most −c A where A < 0 (dual clip)
 *
 * Its gradient in logProbs is −A ρ, and 0 where the clipped term is the smaller one (A > 0 and ρ > 1 + clipHigh,
 * or A < 0 and ρ < 1 − clipLow), where A < 0 and ρ > c, and where the log-ratio was clamped. At a tie it is −A ρ.
 *
 * The two-sided clip of INTELLECT-2, min(ρ, δ) in the first term with δ > 1 + clipHigh, is `dualClip: δ`: where A > 0
 * the upper clip binds first. δ = 4 there.
 *
 * Differences: verl always has the dual clip on (c = 3). verl and OpenRLHF clamp the log-ratio to ±20, segment-SPO to
 * ±10, TRL not at all (then a ratio may overflow); HALOs' `humanline` to the interval that its rejection sampling
 * allows, which stops the gradient of both signs of A outside it.
 *
 * Metrics, means over the mask of this batch: `clipFraction` (tokens whose clipped term is the worse one),
 * `dualClipFraction` with a dual clip, `approxKl` (k3 of the old policy to the new one; verl's `ppo_kl` is k1),
 * `ratioMean`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Schulman et al. 2017, arXiv:1707.06347, equation 7; asymmetric: Yu et al. 2025, arXiv:2503.14476, equation 8;
 *   dual clip: Ye et al. 2019, arXiv:1912.09729, equation 5
 */
export function ppoClip({
  clipLow = 0.2,
  clipHigh = clipLow,
  dualClip,
  logRatioRange = defaultRange,
  aggregate = tokenMean,
}: PpoClipOptions = {}): Loss<PpoClipInputs> {
  expectClips('ppoClip', { clipLow, clipHigh, dualClip, logRatioRange });
  const [lowest, highest] = logRatioRange;

  const loss: Loss<PpoClipInputs> = (inputs, context = {}) =>
    tf.tidy(() => {
      const { mask } = inputs;
      const { advantage, ratio, metrics: shared } = policyRatio('ppoClip', inputs, logRatioRange);
      const unclipped = tf.mul<PerToken>(ratio, advantage);
      const clipped = tf.mul<PerToken>(tf.clipByValue(ratio, 1 - clipLow, 1 + clipHigh), advantage);
      // In this order a tie gives its whole gradient to the unclipped term.
      const surrogate = tf.minimum<PerToken>(unclipped, clipped);
      const metrics = {
        clipFraction: fractionOf(tf.greater(stopGradient(unclipped), stopGradient(clipped)), mask),
        ...shared,
      };
      if (dualClip === undefined) return { loss: aggregate(tf.neg(surrogate), mask, context), metrics };

      const floor = tf.mul(advantage, dualClip);
      const negative = tf.less(advantage, 0);
      const bounded = tf.where(negative, tf.maximum<PerToken>(surrogate, floor), surrogate) as PerToken;
      const dualClipped = tf.logicalAnd(negative, tf.less(stopGradient(surrogate), floor));
      return {
        loss: aggregate(tf.neg(bounded), mask, context),
        metrics: { ...metrics, dualClipFraction: fractionOf(dualClipped, mask) },
      };
    });

  const slope = (logProb: number, values: Float32Array, at: number): number => {
    const [difference, advantage] = [logProb - (values[at] as number), values[at + 1] as number];
    if (difference < lowest || difference > highest) return 0;
    const ratio = Math.exp(difference);
    const clipped = advantage > 0 ? ratio > 1 + clipHigh : advantage < 0 && ratio < 1 - clipLow;
    const floored = dualClip !== undefined && advantage < 0 && ratio > dualClip;
    return clipped || floored ? 0 : -advantage * ratio;
  };
  const inputs = ['oldLogProbs', 'advantages'];
  return withTokenTerms(loss, () => [{ of: 'logProbs', inputs, slope, aggregate }]);
}

export const ppoClipEntry: LossEntry<PpoClipInputs> = {
  name: 'ppoClip',
  formula: '−min(ρ A, clip(ρ, 1 − clipLow, 1 + clipHigh) A), ρ = π / π_old',
  citation: 'arXiv:1707.06347',
  per: 'token',
  differentiable: ['logProbs'],
  example: drawPolicyInputs,
  evaluate: ppoClip(),
  variants: {
    'log-ratios clamped': ppoClip({ logRatioRange: [-0.6, 0.4] }),
    'dual clip': ppoClip({ clipHigh: 0.4, dualClip: 1.5 }),
  },
  build: (aggregate) => ppoClip({ clipHigh: 0.28, dualClip: 3, aggregate }),
};
