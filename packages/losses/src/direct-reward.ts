import * as tf from '@tensorflow/tfjs-core';
import { type Aggregate, clampTo, type Loss, type PerToken, tokenMean, zeroMasked } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawPolicyInputs } from './example.js';
import { expectPositive } from './option-checks.js';
import type { PolicyInputs } from './policy-inputs.js';
import { policyRatio } from './policy-ratio.js';
import { withTokenTerms } from './token-terms.js';

/** Options of `directReward`. */
export interface DirectRewardOptions {
  /** β > 0: how much the policy is held at the one that sampled. */
  readonly beta: number;
  /** How the losses of tokens become one; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/**
 * The policy's part of direct reward optimization (DRO-V): REINFORCE held by a square in place of a ratio,
 *
 *   loss = −A · logProbs + (β / 2) d²,  d = clamp(logProbs − oldLogProbs, ±20)
 *
 * Its gradient in logProbs is −A + β d, so that it may take many steps on one batch of data: it rests at d = A / β.
 * With advantages R − V, V being trained by the paper's other half, `valueLoss` on R − β d.
 *
 * Differences: verl does not clamp. The paper has one action per prompt, the response.
 *
 * Metrics: `approxKl` and `ratioMean` as those of `ppoClip`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Richemond et al. 2024, arXiv:2405.19107
 */
export function directReward({ beta, aggregate = tokenMean }: DirectRewardOptions): Loss<PolicyInputs> {
  expectPositive('directReward', 'beta', beta);
  const loss: Loss<PolicyInputs> = (inputs, context = {}) =>
    tf.tidy(() => {
      const { oldLogProbs, mask } = inputs;
      const { now, advantage, metrics } = policyRatio('directReward', inputs);
      const difference = clampTo(tf.sub<PerToken>(now, zeroMasked(oldLogProbs, mask)), 20);
      const held = tf.mul<PerToken>(tf.square(difference), beta / 2);
      return { loss: aggregate(tf.sub(held, tf.mul(advantage, now)), mask, context), metrics };
    });
  const slope = (logProb: number, values: Float32Array, at: number): number => {
    const difference = logProb - (values[at] as number);
    return (Math.abs(difference) > 20 ? 0 : beta * difference) - (values[at + 1] as number);
  };
  const inputs = ['oldLogProbs', 'advantages'];
  return withTokenTerms(loss, () => [{ of: 'logProbs', inputs, slope, aggregate }]);
}

export const directRewardEntry: LossEntry<PolicyInputs> = {
  name: 'directReward',
  formula: '−A log π + (β / 2) (log π − log π_old)²',
  citation: 'arXiv:2405.19107',
  per: 'token',
  differentiable: ['logProbs'],
  example: drawPolicyInputs,
  evaluate: directReward({ beta: 0.5 }),
  build: (aggregate) => directReward({ beta: 0.5, aggregate }),
};
