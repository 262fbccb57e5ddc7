import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import {
  type Aggregate,
  clampTo,
  type Loss,
  maskedMean,
  maskedSum,
  type PerToken,
  sequenceMean,
  stopGradient,
  tokenMean,
  zeroMasked,
} from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawPolicyInputs } from './example.js';
import { expectPolicyInputs, type PolicyInputs } from './policy-inputs.js';
import { overTokens } from './sequence-ratio.js';

/** The weight w ↦ exp(λ + k log w − λ w): 1 at w = 1, largest at w = k / λ, 0 at 0 and ∞. */
export interface GammaWeight {
  readonly k: number;
  readonly lambda: number;
}

/** Options of `vespo`. */
export interface VespoOptions {
  /** For advantages of at least 0; default `{ k: 2, lambda: 3 }`. */
  readonly positive?: GammaWeight;
  /** For advantages below 0; default `{ k: 3, lambda: 2 }`. */
  readonly negative?: GammaWeight;
  /** How the losses of tokens become one; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/**
 * REINFORCE whose responses are weighted by a smooth function of their whole importance weight (VESPO):
 *
 *   log w_i = clamp(Σ_t m̂_it clamp(logProbs_it − oldLogProbs_it, ±20), log 1e-8, 20),  m̂ = 1 where m > 0
 *   φ(w) = exp(λ + k log w − λ w),  (k, λ) by the sign of the advantage
 *   loss_it = −sg(φ(w_i)) A_it logProbs_it
 *
 * φ is 1 at w = 1, so that on policy it is REINFORCE; a response that the policy has moved away from, or far towards,
 * fades instead of being clipped. Its gradient in logProbs is −φ A.
 *
 * Where the sampler's log-probs differ from `oldLogProbs`, w also holds the (truncated) importance weights r_it of
 * rollout correction: pass `oldLogProbs − log r`, as w only sees the difference.
 *
 * Differences: none to TRL's `loss_type="vespo"`, which aggregates by `tokenMean` over the whole batch always, but
 * that it clamps the two summands of log w one by one.
 *
 * Metrics: `weightMean`, the mean of φ over the responses; `ratioMean`, that of exp(Σ_t m_it d_it / n_i).
 *
 * @throws OptionError when built, ShapeError when called
 * @see arXiv:2602.10693
 */
export function vespo({
  positive = { k: 2, lambda: 3 },
  negative = { k: 3, lambda: 2 },
  aggregate = tokenMean,
}: VespoOptions = {}): Loss<PolicyInputs> {
  for (const [name, { k, lambda }] of Object.entries({ positive, negative })) {
    if (!(k > 0 && k < Infinity && lambda > 0 && lambda < Infinity)) {
      throw new OptionError('vespo', name, 'positive and finite k and lambda', { k, lambda });
    }
  }
  return (inputs, context = {}) => {
    expectPolicyInputs('vespo', inputs);
    return tf.tidy(() => {
      const { mask } = inputs;
      const now = zeroMasked(inputs.logProbs, mask);
      const advantage = zeroMasked(inputs.advantages, mask);
      const difference = clampTo(tf.sub<PerToken>(stopGradient(now), zeroMasked(inputs.oldLogProbs, mask)), 20);
      const counts = tf.cast<PerToken>(tf.greater(mask, 0), 'float32');
      const sum = maskedSum(difference, counts, { axis: 1 });
      const logWeight = overTokens(tf.maximum(tf.minimum(sum, 20), Math.log(1e-8)), mask);
      const phi = ({ k, lambda }: GammaWeight): tf.Tensor =>
        tf.exp(tf.add(lambda, tf.sub(tf.mul(logWeight, k), tf.mul(tf.exp(logWeight), lambda))));
      const weight = tf.where(tf.greaterEqual(advantage, 0), phi(positive), phi(negative));
      const ratio = tf.exp(overTokens(maskedMean(difference, mask, { axis: 1 }), mask));
      return {
        loss: aggregate(tf.neg(tf.mul(tf.mul<PerToken>(weight, advantage), now)), mask, context),
        metrics: {
          weightMean: sequenceMean(weight as PerToken, mask),
          ratioMean: sequenceMean(ratio as PerToken, mask),
        },
      };
    });
  };
}

export const vespoEntry: LossEntry<PolicyInputs> = {
  name: 'vespo',
  formula: '−sg(exp(λ + k log w − λ w)) A log π, w = Π_t π / π_old',
  citation: 'arXiv:2602.10693',
  per: 'token',
  differentiable: ['logProbs'],
  excused: { descent: 'the weight depends on the policy, and has no gradient on purpose' },
  example: drawPolicyInputs,
  evaluate: vespo(),
  build: (aggregate) => vespo({ aggregate }),
};
