import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import {
  type Aggregate,
  clampTo,
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
import type { TokenInputs } from './token-inputs.js';
import { withTokenTerms } from './token-terms.js';

/** Options of `ppoClip`. */
export interface PpoClipOptions {
  /** The ratio counts no further below 1 than this; in [0, 1), default 0.2. */
  readonly clipLow?: number;
  /** The ratio counts no further above 1 than this; default `clipLow`. DAPO's "clip higher" is 0.28. */
  readonly clipHigh?: number;
  /** c > 1: the loss of a token with a negative advantage is at most −c A. Off by default; 3 where it is on. */
  readonly dualClip?: number;
  /** How the losses of tokens become one; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/** Inputs of `ppoClip`. */
export interface PpoClipInputs extends TokenInputs {
  /** log π of the same tokens under the policy that sampled them, [B, T], constant. */
  readonly oldLogProbs: PerToken;
  /** [B, T], constant. */
  readonly advantages: PerToken;
}

/**
 * The clipped surrogate of PPO, per token and then aggregated:
 *
 *   ρ = exp(clamp(logProbs − oldLogProbs, ±20))
 *   loss = −min(ρ A, clip(ρ, 1 − clipLow, 1 + clipHigh) A),  at most −c A where A < 0 (dual clip)
 *
 * Its gradient in logProbs is −A ρ, and 0 where the clipped term is the smaller one (A > 0 and ρ > 1 + clipHigh,
 * or A < 0 and ρ < 1 − clipLow), where A < 0 and ρ > c, and where the log-ratio was clamped. At a tie it is −A ρ.
 *
 * verl always has the dual clip on (c = 3). The log-ratio is clamped as in verl and OpenRLHF, not in TRL.
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
  aggregate = tokenMean,
}: PpoClipOptions = {}): Loss<PpoClipInputs> {
  if (!(clipLow >= 0 && clipLow < 1)) throw new OptionError('ppoClip', 'clipLow', 'in [0, 1)', clipLow);
  if (!(clipHigh >= 0)) throw new OptionError('ppoClip', 'clipHigh', 'at least 0', clipHigh);
  if (dualClip !== undefined && !(dualClip > 1)) throw new OptionError('ppoClip', 'dualClip', 'above 1', dualClip);

  const loss: Loss<PpoClipInputs> = ({ logProbs, oldLogProbs, advantages, mask }, context = {}) => {
    expectShape('ppoClip', 'logProbs', logProbs, ['B', 'T']);
    expectSameShape('ppoClip', { logProbs, oldLogProbs, advantages, mask });
    return tf.tidy(() => {
      const now = zeroMasked(logProbs, mask);
      const old = zeroMasked(oldLogProbs, mask);
      const advantage = zeroMasked(advantages, mask);
      const fraction = (where: tf.Tensor): tf.Scalar => maskedMean(tf.cast(where, 'float32'), mask);

      const ratio = tf.exp<PerToken>(clampTo(tf.sub<PerToken>(now, old), 20));
      const unclipped = tf.mul<PerToken>(ratio, advantage);
      const clipped = tf.mul<PerToken>(tf.clipByValue(ratio, 1 - clipLow, 1 + clipHigh), advantage);
      // In this order a tie gives its whole gradient to the unclipped term.
      const surrogate = tf.minimum<PerToken>(unclipped, clipped);
      const metrics = {
        clipFraction: fraction(tf.greater(stopGradient(unclipped), stopGradient(clipped))),
        approxKl: maskedMean(k3(old, stopGradient(now)), mask),
        ratioMean: maskedMean(stopGradient(ratio), mask),
      };
      if (dualClip === undefined) return { loss: aggregate(tf.neg(surrogate), mask, context), metrics };

      const floor = tf.mul(advantage, dualClip);
      const negative = tf.less(advantage, 0);
      const bounded = tf.where(negative, tf.maximum<PerToken>(surrogate, floor), surrogate) as PerToken;
      const dualClipped = tf.logicalAnd(negative, tf.less(stopGradient(surrogate), floor));
      return {
        loss: aggregate(tf.neg(bounded), mask, context),
        metrics: { ...metrics, dualClipFraction: fraction(dualClipped) },
      };
    });
  };

  const slope = (logProb: number, values: Float32Array, at: number): number => {
    const [difference, advantage] = [logProb - (values[at] as number), values[at + 1] as number];
    if (Math.abs(difference) > 20) return 0;
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
  example: (shape, rng) => ({
    logProbs: drawTokens(shape, drawLogProb(rng)),
    oldLogProbs: drawTokens(shape, drawLogProb(rng)),
    advantages: drawTokens(shape, () => rng.normal()),
    mask: drawMask(shape, rng),
  }),
  evaluate: ppoClip(),
  build: (aggregate) => ppoClip({ clipHigh: 0.28, dualClip: 3, aggregate }),
};
