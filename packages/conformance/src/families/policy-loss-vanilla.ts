import * as tf from '@tensorflow/tfjs-core';
import { ppoClip } from '@tsrl/losses';
import { k1, maskedMean } from '@tsrl/tensor';
import { type BatchInfo, through, verlAggregate } from '../aggregation.js';
import { onDevice } from '../device.js';
import { has, numberOf, tensorOf, textOf } from '../inputs.js';
import type { Family } from '../outcome.js';

/** verl's clipped surrogate, with its dual clip always on. */
export const policyLossVanilla: Family = {
  file: 'policy-loss.vanilla',
  run(golden) {
    const clip = numberOf(golden, 'clip_ratio');
    const options = {
      clipLow: numberOf(golden, 'clip_ratio_low', clip),
      clipHigh: numberOf(golden, 'clip_ratio_high', clip),
      dualClip: numberOf(golden, 'clip_ratio_c', 3),
    };
    ppoClip(options); // Refuses bad options before any input is read, as the source does.
    const aggregate = verlAggregate(
      textOf(golden, 'loss_agg_mode'),
      (golden.params['global_batch_info'] ?? {}) as BatchInfo,
    );
    const counts = tensorOf(golden, 'response_mask').data;
    return onDevice(golden, { of: 'loss', counts: { per_token_loss: counts } }, (x) => {
      const mask = x.float('response_mask');
      const [logProbs, oldLogProbs] = [x.float('log_prob'), x.float('old_log_prob')];
      let perToken: tf.Tensor | undefined;
      const weighted = through(aggregate, (losses) => {
        const all = has(golden, 'rollout_is_weights')
          ? tf.mul<tf.Tensor2D>(losses, x.float('rollout_is_weights'))
          : losses;
        perToken = x.keep(all);
        return all;
      });
      const { loss, metrics } = ppoClip({ ...options, aggregate: weighted })({
        logProbs,
        oldLogProbs,
        advantages: x.float('advantages'),
        mask,
      });
      return {
        loss,
        per_token_loss: perToken as tf.Tensor,
        'metrics.pg_clipfrac': metrics['clipFraction'] as tf.Scalar,
        'metrics.pg_clipfrac_lower': metrics['dualClipFraction'] as tf.Scalar,
        'metrics.ppo_kl': maskedMean(k1(oldLogProbs, logProbs), mask),
      };
    });
  },
};
