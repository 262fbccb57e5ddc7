import * as tf from '@tensorflow/tfjs-core';
import { expectShape, type Loss, maskedSum, type PerSequence, stopGradient } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawMask, drawTokens } from './example.js';
import { expectPositive } from './option-checks.js';
import type { RatioInputs } from './policy-inputs.js';
import { expectRatioInputs, meanOfRows, ofRows, rowsWithTokens } from './sequence-ratio.js';

/** Options of `gvpo`. */
export interface GvpoOptions {
  /** Strength of the implicit KL constraint, positive and finite; default 0.1. */
  readonly beta?: number;
}

/** Inputs of `gvpo`. */
export interface GvpoInputs extends RatioInputs {
  /** One of each response, centred in its group, [B], constant: rewards minus the mean of their group. */
  readonly advantages: PerSequence;
  /** int32 [B]: responses to one prompt have one number; any numbers, in any order. */
  readonly groups: tf.Tensor1D;
}

/**
 * Group variance policy optimization: within a group, the implicit rewards of the responses are to differ as their
 * rewards do,
 *
 *   x_i = beta Σ_t m_it (logProbs_it − oldLogProbs_it)
 *   loss_i = (x_i − sg(mean_g x) − A_i)² · k_g / (2 (k_g − 1)),  mean over the responses
 *
 * with k_g the responses of the group that have tokens. For groups of one size that is the mean over the groups of
 * Σ_i (…)² / (2 (k − 1)). The gradient is that of the variance of x − r: the detached mean has no part in it as long
 * as advantages are centred. The minimum is the policy ∝ π_old exp(r / beta), whoever sampled. A group of one
 * response, and a row without a token, have the loss 0.
 *
 * Differences: verl's recipe sums over all rows and divides by k − 1 only, so that its loss grows with the number of
 * groups.
 *
 * Metrics: `absReward`, the mean of |x_i|; `singletonGroups`, the groups of one response.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Zhang et al. 2025, arXiv:2504.19599
 */
export function gvpo({ beta = 0.1 }: GvpoOptions = {}): Loss<GvpoInputs> {
  expectPositive('gvpo', 'beta', beta);
  return (inputs, context = {}) => {
    expectRatioInputs('gvpo', inputs);
    const { logProbs, oldLogProbs, advantages, groups, mask } = inputs;
    expectShape('gvpo', 'advantages', advantages, [logProbs.shape[0]]);
    expectShape('gvpo', 'groups', groups, [logProbs.shape[0]], 'int32');
    return tf.tidy(() => {
      const counts = rowsWithTokens(mask);
      const together = tf.cast(tf.equal(tf.expandDims(groups, 0), tf.expandDims(groups, 1)), 'float32') as tf.Tensor2D;
      const sumInGroup = (x: tf.Tensor): PerSequence =>
        tf.squeeze(tf.matMul(together, tf.expandDims<tf.Tensor2D>(tf.mul(x, counts), 1)), [1]);
      const size = sumInGroup(counts);
      const several = tf.greater(tf.mul(size, counts), 1.5);
      const least = tf.where(several, size, tf.fill(size.shape, 2)) as PerSequence;

      const change = maskedSum(tf.sub(logProbs, oldLogProbs), mask, { axis: 1 });
      const reward = tf.mul<PerSequence>(change, beta);
      const mean = tf.div(sumInGroup(stopGradient(reward)), least);
      const residual = tf.sub(tf.sub(reward, mean), ofRows(advantages, mask));
      const scale = tf.div(tf.div(least, tf.sub(least, 1)), 2);
      const perSequence = tf.where(several, tf.mul(tf.square(residual), scale), tf.zerosLike(residual));
      const alone = tf.sub(counts, tf.cast(several, 'float32'));
      return {
        loss: meanOfRows(perSequence as PerSequence, mask, context),
        metrics: {
          absReward: meanOfRows(tf.abs(stopGradient(reward)), mask, {}),
          singletonGroups: tf.sum<tf.Scalar>(alone),
        },
      };
    });
  };
}

export const gvpoEntry: LossEntry<GvpoInputs> = {
  name: 'gvpo',
  formula: '(x − mean x − A)² k / (2 (k − 1)), x = beta log π / π_old of the response, means over its group of k',
  citation: 'arXiv:2504.19599',
  per: 'token',
  differentiable: ['logProbs'],
  discrete: ['groups'],
  excused: { parts: 'the responses of a group must be together' },
  example(shape, rng) {
    const sign = Array.from({ length: shape.sequences }, (_, i) =>
      i % 2 === 1 ? -1 : i + 1 < shape.sequences ? 1 : 0,
    );
    const size = sign.map(() => 0.5 + rng.uniform());
    return {
      logProbs: drawTokens(shape, drawLogProb(rng)),
      oldLogProbs: drawTokens(shape, drawLogProb(rng)),
      mask: drawMask(shape, rng),
      advantages: tf.tensor1d(sign.map((s, i) => s * (size[i - (i % 2)] as number))),
      groups: tf.tensor1d(
        sign.map((_, i) => Math.floor(i / 2)),
        'int32',
      ),
    };
  },
  evaluate: gvpo(),
};
