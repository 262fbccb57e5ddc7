import * as tf from '@tensorflow/tfjs-core';
import { type Aggregate, type Loss, maskedMean, type PerToken, sequenceMean, stopGradient } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawPolicyInputs } from './example.js';
import { expectPositive } from './option-checks.js';
import type { PolicyInputs } from './policy-inputs.js';
import { policyRatio } from './policy-ratio.js';
import { withTokenTerms } from './token-terms.js';

/** Options of `sapo`. */
export interface SapoOptions {
  /** τ of tokens with A > 0: the larger, the sooner a ratio away from 1 stops counting. Positive, default 1. */
  readonly positiveTemperature?: number;
  /** τ of the others. Positive, default 1.05. */
  readonly negativeTemperature?: number;
  /** How the losses of tokens become one; default `sequenceMean`. */
  readonly aggregate?: Aggregate;
}

/**
 * The policy loss with a smooth gate where PPO clips (SAPO):
 *
 *   loss = −f(ρ) A,  f(ρ) = (4 / τ) sigmoid(τ (ρ − 1)),  ρ = exp(clamp(logProbs − oldLogProbs, ±20))
 *
 * Its gradient in logProbs is −A ρ 4 s (1 − s), s = sigmoid(τ (ρ − 1)): −A ρ at ρ = 1, as REINFORCE's, and fading on
 * both sides of it for either sign of A. The value at ρ = 1 is −2 A / τ, not −A.
 *
 * Differences: none to verl and TRL, whose default temperatures are these and which aggregate by `sequenceMean`
 * always; TRL does not clamp the log-ratio.
 *
 * Metrics, over the mask of this batch: `gateMean` (4 s (1 − s), what is left of the gradient), `approxKl` and
 * `ratioMean` as those of `ppoClip`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Gao et al. 2025, arXiv:2511.20347, equations 5 to 8
 */
export function sapo({
  positiveTemperature = 1,
  negativeTemperature = 1.05,
  aggregate = sequenceMean,
}: SapoOptions = {}): Loss<PolicyInputs> {
  for (const [name, value] of Object.entries({ positiveTemperature, negativeTemperature })) {
    expectPositive('sapo', name, value);
  }
  const loss: Loss<PolicyInputs> = (inputs, context = {}) =>
    tf.tidy(() => {
      const { mask } = inputs;
      const { advantage, ratio, metrics } = policyRatio('sapo', inputs);
      const temperature = tf.where(
        tf.greater(advantage, 0),
        tf.fill(advantage.shape, positiveTemperature),
        tf.fill(advantage.shape, negativeTemperature),
      );
      const x = tf.mul<PerToken>(temperature, tf.sub(ratio, 1));
      // Both halves from the small side, where the derivative s (1 − s) does not cancel.
      const high = tf.sub<PerToken>(1, tf.sigmoid(tf.neg(x)));
      const gate = tf.where(tf.greater(stopGradient(x), 0), high, tf.sigmoid(x)) as PerToken;
      const perToken = tf.neg(tf.mul(tf.mul(gate, tf.div(4, temperature)), advantage)) as PerToken;
      const s = stopGradient(gate);
      return {
        loss: aggregate(perToken, mask, context),
        metrics: { gateMean: maskedMean(tf.mul(tf.mul<PerToken>(s, tf.sub(1, s)), 4), mask), ...metrics },
      };
    });
  const slope = (logProb: number, values: Float32Array, at: number): number => {
    const [difference, advantage] = [logProb - (values[at] as number), values[at + 1] as number];
    if (Math.abs(difference) > 20) return 0;
    const ratio = Math.exp(difference);
    // s (1 − s) is even: written for |x|, it neither overflows nor cancels.
    const small = Math.exp(-(advantage > 0 ? positiveTemperature : negativeTemperature) * Math.abs(ratio - 1));
    return (-advantage * ratio * 4 * small) / (1 + small) ** 2;
  };
  const inputs = ['oldLogProbs', 'advantages'];
  return withTokenTerms(loss, () => [{ of: 'logProbs', inputs, slope, aggregate }]);
}

export const sapoEntry: LossEntry<PolicyInputs> = {
  name: 'sapo',
  formula: '−(4 / τ) sigmoid(τ (ρ − 1)) A, ρ = π / π_old',
  citation: 'arXiv:2511.20347',
  per: 'token',
  differentiable: ['logProbs'],
  example: drawPolicyInputs,
  evaluate: sapo(),
  build: (aggregate) => sapo({ aggregate }),
};
