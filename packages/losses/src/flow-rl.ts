import * as tf from '@tensorflow/tfjs-core';
import {
  expectSameShape,
  expectShape,
  type Loss,
  maskedMean,
  maskedSum,
  type PerSequence,
  type PerToken,
  stopGradient,
} from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawMask, drawSequences, drawTokens } from './example.js';
import { expectPositive } from './option-checks.js';
import type { RatioInputs } from './policy-inputs.js';
import { expectRatioInputs, meanOfRows, ofRows } from './sequence-ratio.js';

/** Options of `flowRl`. */
export interface FlowRlOptions {
  /** How sharply the policy is to follow the reward; positive and finite, default 15. */
  readonly beta?: number;
  /** The importance weight of a response is at most this; positive, default 10. */
  readonly maxWeight?: number;
}

/** Inputs of `flowRl`. */
export interface FlowRlInputs extends RatioInputs {
  /** log π_ref of the same tokens, [B, T], constant. */
  readonly refLogProbs: PerToken;
  /** log Z(x) of the prompt of each response, [B], differentiable: what a learned head says of it. */
  readonly logPartition: PerSequence;
  /** One of each response, [B], constant; normalized in its group. */
  readonly rewards: PerSequence;
}

/**
 * FlowRL: the policy is to match the distribution ∝ π_ref exp(beta r) instead of maximizing r, by the trajectory
 * balance of flow networks with log-probs per token,
 *
 *   loss_i = w_i (logPartition_i + mean_t logProbs_it − mean_t refLogProbs_it − beta rewards_i)²
 *   w_i = sg(min(exp(Σ_t m_it (logProbs_it − oldLogProbs_it)), maxWeight)),  mean over the responses
 *
 * means over the mask of a row; rows without a token have the loss 0 and are not counted. Gradient in logProbs:
 * 2 w_i (…) / n_i at each token, in logPartition: 2 w_i (…).
 *
 * Differences: none to the recipe of the authors for verl.
 *
 * Metrics over the responses: `residual`, the mean of |…|; `weightMean`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Zhu et al. 2025, arXiv:2509.15207
 */
export function flowRl({ beta = 15, maxWeight = 10 }: FlowRlOptions = {}): Loss<FlowRlInputs> {
  for (const [name, value] of Object.entries({ beta, maxWeight })) {
    expectPositive('flowRl', name, value);
  }
  return (inputs, context = {}) => {
    expectRatioInputs('flowRl', inputs);
    const { logProbs, oldLogProbs, refLogProbs, logPartition, rewards, mask } = inputs;
    expectSameShape('flowRl', { logProbs, refLogProbs });
    expectShape('flowRl', 'logPartition', logPartition, [logProbs.shape[0]]);
    expectShape('flowRl', 'rewards', rewards, [logProbs.shape[0]]);
    return tf.tidy(() => {
      const change = stopGradient(maskedSum(tf.sub(logProbs, oldLogProbs), mask, { axis: 1 }));
      const weight = tf.exp<PerSequence>(tf.minimum(change, Math.log(maxWeight)));
      const flow = tf.add(ofRows(logPartition, mask), maskedMean(tf.sub(logProbs, refLogProbs), mask, { axis: 1 }));
      const residual = tf.sub<PerSequence>(flow, tf.mul(ofRows(rewards, mask), beta));
      return {
        loss: meanOfRows(tf.mul<PerSequence>(weight, tf.square(residual)), mask, context),
        metrics: {
          residual: meanOfRows(tf.abs(stopGradient(residual)), mask, {}),
          weightMean: meanOfRows(weight, mask, {}),
        },
      };
    });
  };
}

export const flowRlEntry: LossEntry<FlowRlInputs> = {
  name: 'flowRl',
  formula: 'sg(w) (log Z + mean log π / π_ref − beta r)², w = min(Π_t π / π_old, maxWeight)',
  citation: 'arXiv:2509.15207',
  per: 'token',
  differentiable: ['logProbs', 'logPartition'],
  excused: { descent: 'the weight depends on the policy, and has no gradient on purpose' },
  example: (shape, rng) => ({
    logProbs: drawTokens(shape, drawLogProb(rng)),
    oldLogProbs: drawTokens(shape, drawLogProb(rng)),
    refLogProbs: drawTokens(shape, drawLogProb(rng)),
    mask: drawMask(shape, rng),
    logPartition: drawSequences(shape, () => rng.normal()),
    rewards: drawSequences(shape, () => rng.normal()),
  }),
  evaluate: flowRl(),
};
