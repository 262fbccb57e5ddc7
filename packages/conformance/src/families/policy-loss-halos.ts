import * as tf from '@tensorflow/tfjs-core';
import { kl, objective, ppoClip, scale, valueLoss } from '@tsrl/losses';
import { type KlEstimator, k1, k3, maskedSum, type PerSequence, type PerToken } from '@tsrl/tensor';
import { onDevice } from '../device.js';
import type { GoldenCase } from '../golden.js';
import { flagOf, numberOf } from '../inputs.js';
import { byFunction, type Family } from '../outcome.js';

/** GRPO against the reference in place of the old policy; PPO with critic and the k1 of old and new policy in the loss. */
export const policyLossHalos: Family = byFunction('policy-loss.halos', {
  'GRPOTrainer.loss'(golden) {
    const range = rangeOf(golden);
    const loss = objective({
      policy: ppoClip({ clipLow: numberOf(golden, 'epsilon'), logRatioRange: range }),
      kl: scale(numberOf(golden, 'beta'), kl({ estimator: withoutClamp(k3) })),
    });
    return onDevice(golden, { of: 'loss' }, (x) => {
      const logProbs = x.float<PerToken>('policy_logps');
      const refLogProbs = x.float<PerToken>('reference_logps');
      const mask = x.float<PerToken>('mask');
      const advantages = tf.mul<PerToken>(tf.expandDims(x.float<PerSequence>('advantages'), 1), tf.onesLike(mask));
      const result = loss({ logProbs, oldLogProbs: refLogProbs, refLogProbs, advantages, mask });
      const unclamped = within(tf.sub(logProbs, refLogProbs), range);
      return {
        loss: result.loss,
        mean_kl: result.metrics['kl/kl'] as tf.Scalar,
        // The source makes a vector of its default.
        unclamped: flagOf(golden, 'humanline') ? unclamped : tf.reshape(unclamped, [1]),
      };
    });
  },
  'PPOTrainer.loss'(golden) {
    const range = rangeOf(golden);
    const loss = objective({
      policy: ppoClip({ clipLow: numberOf(golden, 'cliprange'), logRatioRange: range }),
      value: scale(numberOf(golden, 'critic_coef'), valueLoss()),
      kl: scale(numberOf(golden, 'KL_coef'), kl({ estimator: withoutClamp(k1) })),
    });
    return onDevice(golden, { of: 'loss' }, (x) => {
      const [logProbs, oldLogProbs] = [x.float<PerToken>('logprobs'), x.float<PerToken>('old_logprobs')];
      const mask = x.float<PerToken>('mask');
      const { loss: total, metrics } = loss({
        logProbs,
        oldLogProbs,
        refLogProbs: oldLogProbs,
        advantages: x.float('advantages'),
        values: x.float('values'),
        returns: x.float('rewards_to_go'),
        mask,
      });
      const logRatios = tf.sub<PerToken>(logProbs, oldLogProbs);
      const clamped = tf.minimum<PerToken>(tf.maximum(logRatios, range[0]), range[1]);
      return {
        loss: total,
        'stats.loss/total': total,
        'stats.loss/unclamped': within(logRatios, range),
        'stats.loss/critic': metrics['value/unscaled'] as tf.Scalar,
        'stats.loss/policy': metrics['policy/loss'] as tf.Scalar,
        'stats.clipfrac/policy': metrics['policy/clipFraction'] as tf.Scalar,
        'stats.loss/policykl': tf.neg(metrics['kl/unscaled'] as tf.Scalar),
        'stats.loss/seqratio': tf.mean(tf.exp(maskedSum(clamped, mask, { axis: 1 }))),
      };
    });
  },
});

/** Only `humanline` clamps. */
const rangeOf = (golden: GoldenCase): readonly [number, number] =>
  flagOf(golden, 'humanline')
    ? [numberOf(golden, 'log_epsilon_P'), numberOf(golden, 'log_epsilon_R')]
    : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];

const withoutClamp =
  (estimator: KlEstimator): KlEstimator =>
  (logProbs, refLogProbs) =>
    estimator(logProbs, refLogProbs, { clamp: Number.POSITIVE_INFINITY });

/** The share of all entries, padding too, that a range leaves as they are. */
function within(x: tf.Tensor, [low, high]: readonly [number, number]): tf.Scalar {
  const inside = tf.logicalAnd(tf.greaterEqual(x, low), tf.lessEqual(x, high));
  return tf.mean<tf.Scalar>(tf.cast(inside, 'float32'));
}
