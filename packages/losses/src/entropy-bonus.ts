import * as tf from '@tensorflow/tfjs-core';
import {
  type Aggregate,
  expectSameShape,
  expectShape,
  type Loss,
  maskedMean,
  type PerToken,
  stopGradient,
  tokenMean,
} from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawMask, drawTokens } from './example.js';
import { withTokenTerms } from './token-terms.js';

/** Options of `entropyBonus`. */
export interface EntropyBonusOptions {
  /** How the entropies of tokens become one number; default `tokenMean`, so that a coefficient has one meaning. */
  readonly aggregate?: Aggregate;
}

/** Inputs of `entropyBonus`. */
export interface EntropyBonusInputs {
  /** H of the policy at each token in nats, [B, T], differentiable: `entropy(logits)` of @tsrl/tensor. */
  readonly entropy: PerToken;
  /** [B, T]: 1 where a token counts, 0 where not, or non-negative weights. */
  readonly mask: PerToken;
}

/**
 * Minus the entropy of the policy, aggregated: to be minimised, the sign is already there.
 *
 *   loss = −agg(H)
 *
 * TRL always takes the token mean, verl the aggregation of the policy loss. Metric: `entropy`, the mean over the mask.
 *
 * @throws ShapeError when called
 * @see Mnih et al. 2016, arXiv:1602.01783, section 4
 */
export function entropyBonus({ aggregate = tokenMean }: EntropyBonusOptions = {}): Loss<EntropyBonusInputs> {
  const loss: Loss<EntropyBonusInputs> = ({ entropy, mask }, context = {}) => {
    expectShape('entropyBonus', 'entropy', entropy, ['B', 'T']);
    expectSameShape('entropyBonus', { entropy, mask });
    return tf.tidy(() => ({
      loss: tf.neg(aggregate(entropy, mask, context)),
      metrics: { entropy: maskedMean(stopGradient(entropy), mask) },
    }));
  };
  return withTokenTerms(loss, () => [{ of: 'entropy', inputs: [], slope: () => -1, aggregate }]);
}

export const entropyBonusEntry: LossEntry<EntropyBonusInputs> = {
  name: 'entropyBonus',
  formula: '−H(π)',
  citation: 'arXiv:1602.01783',
  per: 'token',
  differentiable: ['entropy'],
  example: (shape, rng) => ({ entropy: drawTokens(shape, () => 5 * rng.uniform()), mask: drawMask(shape, rng) }),
  evaluate: entropyBonus(),
  build: (aggregate) => entropyBonus({ aggregate }),
};
