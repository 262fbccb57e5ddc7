import * as tf from '@tensorflow/tfjs-core';
import { gmpo, ppoClip, sequenceTokenRatio } from '@tsrl/losses';
import { type Aggregate, k1, maskedMean, type PerToken, sequenceMean } from '@tsrl/tensor';
import { through } from '../aggregation.js';
import { type DeviceInputs, onDevice } from '../device.js';
import type { GoldenCase } from '../golden.js';
import { has, numberOf, tensorOf } from '../inputs.js';
import type { Family } from '../outcome.js';
import { verlPolicyLoss } from '../verl-policy-loss.js';

/** verl's GSPO, which is GSPO-token; its log-ratio is clamped from above only, its aggregation is fixed. */
export const policyLossGspo: Family = {
  file: 'policy-loss.gspo',
  run: (golden) =>
    verlPolicyLoss(golden, {
      mode: 'seq-mean-token-mean',
      openKl: true,
      build: (aggregate) =>
        sequenceTokenRatio(ppoClip({ ...clipsOf(golden), logRatioRange: [Number.NEGATIVE_INFINITY, 10], aggregate })),
      metrics: ({ clipFraction }) => ({ pg_clipfrac: clipFraction as tf.Scalar, pg_clipfrac_lower: tf.scalar(0) }),
    }),
};

/** verl's GMPO: every row counts as a response, and rollout weights enter by their geometric mean. */
export const policyLossGeoMean: Family = {
  file: 'policy-loss.geo-mean',
  run(golden) {
    const sequences = tensorOf(golden, 'response_mask').shape[0] as number;
    return onDevice(golden, { of: 'loss' }, (x) => {
      const mask = x.float('response_mask');
      let perSequence: tf.Tensor | undefined;
      const aggregate: Aggregate = through(sequenceMean, (losses) => {
        const all = has(golden, 'rollout_is_weights')
          ? tf.mul<PerToken>(losses, tf.expandDims(geometricMean(x.float('rollout_is_weights'), mask), 1))
          : losses;
        perSequence = x.keep(maskedMean(all, mask, { axis: 1 }));
        return all;
      });
      const inputs = inputsOf(x);
      const { loss, metrics } = gmpo({ ...clipsOf(golden), aggregate })(inputs, { sequences });
      // verl counts the tokens outside the range on either side, those that its formula leaves alone too.
      const others = gmpo(clipsOf(golden))({ ...inputs, advantages: tf.neg(inputs.advantages) }).metrics;
      const outside = (side: 'High' | 'Low', other: 'High' | 'Low'): tf.Tensor =>
        tf.add(metrics[`clip${side}Fraction`] as tf.Scalar, others[`clip${other}Fraction`] as tf.Scalar);
      return {
        loss,
        per_sequence_loss: perSequence as tf.Tensor,
        'metrics.pg_clipfrac': outside('High', 'Low'),
        'metrics.pg_clipfrac_lower': outside('Low', 'High'),
        'metrics.ppo_kl': maskedMean(k1(x.float('old_log_prob'), x.float('log_prob'), { clamp: Infinity }), mask),
      };
    });
  },
};

const geometricMean = (weights: PerToken, mask: PerToken): tf.Tensor =>
  tf.exp(maskedMean(tf.log(tf.add(weights, 1e-10)), mask, { axis: 1 }));

function clipsOf(golden: GoldenCase): { readonly clipLow: number; readonly clipHigh: number } {
  const clip = numberOf(golden, 'clip_ratio');
  return { clipLow: numberOf(golden, 'clip_ratio_low', clip), clipHigh: numberOf(golden, 'clip_ratio_high', clip) };
}

const inputsOf = (x: DeviceInputs): Record<'logProbs' | 'oldLogProbs' | 'advantages' | 'mask', PerToken> => ({
  logProbs: x.float('log_prob'),
  oldLogProbs: x.float('old_log_prob'),
  advantages: x.float('advantages'),
  mask: x.float('response_mask'),
});
