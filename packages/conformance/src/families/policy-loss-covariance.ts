import * as tf from '@tensorflow/tfjs-core';
import { clipCov, clipCovMask, klCov } from '@tsrl/losses';
import type { PerToken } from '@tsrl/tensor';
import { onDevice } from '../device.js';
import { CaseError, type GoldenCase } from '../golden.js';
import { numberOf, tensorOf } from '../inputs.js';
import type { Family } from '../outcome.js';
import { verlPolicyLoss } from '../verl-policy-loss.js';

/** verl's Clip-Cov; the recorded choice takes the first candidates in order, which rising draws do too. */
export const policyLossClipCov: Family = {
  file: 'policy-loss.clip-cov',
  async run(golden) {
    const setting = settingsOf(golden);
    const clip = numberOf(golden, 'clip_ratio');
    const options = {
      clipLow: numberOf(golden, 'clip_ratio_low', clip),
      clipHigh: numberOf(golden, 'clip_ratio_high', clip),
      fraction: setting('clip_cov_ratio', 2e-4),
      covarianceRange: rangeOf(setting('clip_cov_lb', 1), setting('clip_cov_ub', 5)),
    };
    const mask = tensorOf(golden, 'response_mask');
    const rising = (): PerToken =>
      tf.reshape(tf.range(0, mask.data.length, 1, 'float32'), [...mask.shape] as [number, number]);
    const loss = await verlPolicyLoss(golden, {
      build: (aggregate) => (inputs, context) =>
        clipCov({ ...options, aggregate })({ ...inputs, draws: rising() }, context),
      metrics: ({ droppedFraction }) => ({ pg_clipfrac: droppedFraction as tf.Scalar }),
    });
    const choice = await onDevice({ ...golden, gradients: {} }, { of: 'corr', counts: { corr: mask.data } }, (x) => ({
      corr: clipCovMask(
        {
          logProbs: x.float('log_prob'),
          oldLogProbs: x.float('old_log_prob'),
          advantages: x.float('advantages'),
          mask: x.float('response_mask'),
          draws: rising(),
        },
        options,
      ),
    }));
    return { ...loss, outputs: { ...loss.outputs, ...choice.outputs } };
  },
};

/** Between bounds that cross, verl drops nothing; there is nothing above the largest number either. */
const rangeOf = (low: number, high: number): readonly [number, number] =>
  low < high ? [low, high] : [Number.MAX_VALUE, Number.POSITIVE_INFINITY];

/** verl's KL-Cov, whose metric is the mean distance and not a divergence. */
export const policyLossKlCov: Family = {
  file: 'policy-loss.kl-cov',
  run(golden) {
    const setting = settingsOf(golden);
    const options = { fraction: setting('kl_cov_ratio', 2e-4), beta: setting('ppo_kl_coef', 1) };
    return verlPolicyLoss(golden, {
      build: (aggregate) => klCov({ ...options, aggregate }),
      metrics: ({ absKl }) => ({ ppo_kl: absKl as tf.Scalar }),
    });
  },
};

/** The settings that verl keeps under `policy_loss`, where null stands for the default. */
function settingsOf({ params }: GoldenCase): (name: string, otherwise: number) => number {
  const settings = (params['policy_loss'] ?? {}) as Record<string, unknown>;
  return (name, otherwise) => {
    const value = settings[name] ?? otherwise;
    if (typeof value !== 'number') throw new CaseError(`the setting ${name} must be a number`);
    return value;
  };
}
