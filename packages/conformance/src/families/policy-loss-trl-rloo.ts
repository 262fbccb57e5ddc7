import * as tf from '@tensorflow/tfjs-core';
import { responseClip } from '@tsrl/losses';
import { type PerSequence, type PerToken, tokenMean } from '@tsrl/tensor';
import { through } from '../aggregation.js';
import { onDevice } from '../device.js';
import { numberOf, tensorOf } from '../inputs.js';
import type { Family } from '../outcome.js';

/** The whole response as one action. The old log-probs are given as sums: they stand at the first token of each. */
export const policyLossTrlRloo: Family = {
  file: 'policy-loss.trl-rloo',
  run(golden) {
    const [clipLow, clipHigh] = [numberOf(golden, 'epsilon_low'), numberOf(golden, 'epsilon_high')];
    const logRatioRange = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;
    const { shape, data } = tensorOf(golden, 'completion_mask');
    const [rows, columns] = shape as [number, number];
    const first = Float32Array.from(data, (m, i) =>
      Number(m === 1 && !data.subarray(i - (i % columns), i).includes(1)),
    );
    return onDevice(golden, { of: 'loss' }, (x) => {
      let perSequence: tf.Tensor | undefined;
      const aggregate = through(tokenMean, (losses) => {
        perSequence = x.keep(tf.squeeze(losses, [1]));
        return losses;
      });
      const inputs = {
        logProbs: x.float<PerToken>('per_token_logps'),
        oldLogProbs: tf.mul<PerToken>(
          tf.expandDims(x.float<PerSequence>('old_logps'), 1),
          tf.tensor2d(first, [rows, columns]),
        ),
        advantages: x.float<PerSequence>('advantages'),
        mask: x.float<PerToken>('completion_mask'),
      };
      const { loss, metrics } = responseClip({ clipLow, clipHigh, logRatioRange, aggregate })(inputs, {
        sequences: rows,
      });
      // A response without a token has ratio 1, is never clipped, and counts among all.
      const share = tf.mean(tf.max(inputs.mask, 1));
      const region = tf.mul(metrics['clipFraction'] as tf.Scalar, share);
      // Without an upper bound, what is clipped is clipped below.
      const below = responseClip({ clipLow, clipHigh: Number.POSITIVE_INFINITY, logRatioRange })(inputs);
      const low = tf.mul(below.metrics['clipFraction'] as tf.Scalar, share);
      const high = tf.sub(region, low);
      return {
        loss,
        per_sequence_loss: perSequence as tf.Tensor,
        'metrics.clip_ratio/region_mean': region,
        'metrics.clip_ratio/low_mean': low,
        'metrics.clip_ratio/low_min': low,
        'metrics.clip_ratio/high_mean': high,
        'metrics.clip_ratio/high_max': high,
      };
    });
  },
};
