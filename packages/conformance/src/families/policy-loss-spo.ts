import * as tf from '@tensorflow/tfjs-core';
import { probabilityMask } from '@tsrl/advantages';
import { directValue, kl, ppoClip, scale, skipLargeRatio } from '@tsrl/losses';
import {
  type KlEstimator,
  k1,
  k2,
  k3,
  kAbs,
  maskedMean,
  type PerSequence,
  type PerToken,
  sequenceSum,
  toTensor,
} from '@tsrl/tensor';
import { onDevice } from '../device.js';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { flagOf, gridOf, has, numberOf, tensorOf } from '../inputs.js';
import { byFunction, type Family } from '../outcome.js';

const estimators: Readonly<Record<string, KlEstimator>> = { kl: k1, abs: kAbs, mse: k2, control_variate: k3 };

/** Segment-SPO: PPO's clip over the tokens at which the policy had a choice, with a divergence in the loss at will. */
export const policyLossSpo: Family = byFunction('policy-loss.spo', {
  _compute_actor_loss(golden) {
    const mask = flagOf(golden, 'use_prob_mask')
      ? probabilityMask({ oldLogProbs: gridOf(golden, 'old_logprobs'), mask: gridOf(golden, 'mask') })
      : gridOf(golden, 'mask');
    const clipped = ppoClip({ clipLow: numberOf(golden, 'cliprange'), logRatioRange: [-10, 10] });
    const policy = skipLargeRatio(clipped, { maxMeanRatio: numberOf(golden, 'ratio_threshold') });
    const divergence = has(golden, 'ref_logprobs') ? divergenceOf(golden) : undefined;
    return onDevice(golden, { of: 'loss' }, (x) => {
      const inputs = {
        logProbs: x.float<PerToken>('logprobs'),
        oldLogProbs: x.float<PerToken>('old_logprobs'),
        advantages: x.float<PerToken>('advantages'),
        mask: toTensor(mask),
      };
      const { loss, metrics } = policy(inputs);
      const added = divergence?.({ ...inputs, refLogProbs: x.float('ref_logprobs') }, { sequences: mask.rows }).loss;
      const kept = tf.sub<tf.Scalar>(1, metrics['skipped'] as tf.Scalar);
      const [now, old] = [inputs.logProbs, inputs.oldLogProbs];
      return {
        loss: added ? tf.add(loss, tf.mul(added, kept)) : loss,
        is_skipped: metrics['skipped'] as tf.Scalar,
        'metrics.approx_kl': maskedMean(k2(now, old, { clamp: 10 }), inputs.mask),
        'metrics.policy_kl': maskedMean(k1(old, now, { clamp: 10 }), inputs.mask),
        'metrics.clip_frac': metrics['clipFraction'] as tf.Scalar,
        'metrics.ratio': metrics['ratioMean'] as tf.Scalar,
        ...(added && { 'metrics.ref_kl_loss': added }),
      };
    });
  },
  _compute_actor_loss_dvo(golden) {
    const { shape, data } = tensorOf(golden, 'advantages');
    const columns = shape[1] as number;
    const perRow = Float32Array.from({ length: shape[0] as number }, (_, row) => data[row * columns] as number);
    const loss = directValue({ beta: numberOf(golden, 'beta') });
    return onDevice(golden, { of: 'loss' }, (x) => {
      const advantages: PerSequence = tf.tensor1d(perRow);
      const { loss: value, metrics } = loss(
        {
          logProbs: x.float('logprobs'),
          oldLogProbs: x.float('old_logprobs'),
          refLogProbs: x.float('ref_logprobs'),
          advantages,
          mask: x.float('mask'),
        },
        { sequences: perRow.length },
      );
      return {
        loss: value,
        'metrics.loss': value,
        'metrics.avg_log_ratio': metrics['logRatioMean'] as tf.Scalar,
        'metrics.avg_advantage': tf.mean(advantages),
        'metrics.weight': metrics['weightMean'] as tf.Scalar,
        'metrics.weight_clip_frac': metrics['weightClipFraction'] as tf.Scalar,
      };
    });
  },
});

/** Sums over the tokens of a row, mean over all rows. */
function divergenceOf(golden: GoldenCase): ReturnType<typeof kl> {
  const name = String(golden.params['kl_penalty_loss_type']);
  const estimator = estimators[name];
  if (estimator === undefined) throw new UnmappedError(`no estimator is called ${name}`);
  const maxValue = numberOf(golden, 'kl_penalty_loss_clip_max');
  if (numberOf(golden, 'kl_penalty_loss_clip_min') !== -maxValue) {
    throw new UnmappedError('the bounds of an estimate are symmetric');
  }
  const bounded: KlEstimator = (logProbs, refLogProbs) =>
    estimator(logProbs, refLogProbs, { clamp: Number.POSITIVE_INFINITY, maxValue });
  return scale(numberOf(golden, 'kl_coef'), kl({ estimator: bounded, aggregate: sequenceSum }));
}
