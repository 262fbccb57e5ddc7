import * as tf from '@tensorflow/tfjs-core';
import { objective, ppoClip, scale, valueLoss } from '@tsrl/losses';
import type { PerToken } from '@tsrl/tensor';
import { onDevice } from '../device.js';
import { numberOf } from '../inputs.js';
import type { Family } from '../outcome.js';

const unclamped = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

/** Policy and critic together. The masks say where padding is, which for values starts one token later. */
export const policyLossTrlPpo: Family = {
  file: 'policy-loss.trl-ppo',
  run(golden) {
    const clipLow = numberOf(golden, 'cliprange');
    const policy = ppoClip({ clipLow, logRatioRange: unclamped });
    const value = scale(numberOf(golden, 'vf_coef'), valueLoss({ clip: numberOf(golden, 'cliprange_value') }));
    return onDevice(golden, { of: 'loss' }, (x) => {
      const [ofTokens, ofValues] = [
        tf.sub<PerToken>(1, x.float('padding_mask')),
        tf.sub<PerToken>(1, x.float('padding_mask_p1')),
      ];
      const { loss, metrics } = objective({
        policy: (inputs: Parameters<typeof policy>[0]) => policy({ ...inputs, mask: ofTokens }),
        value: (inputs: Parameters<typeof value>[0]) => value({ ...inputs, mask: ofValues }),
      })({
        logProbs: x.float('new_logprobs'),
        oldLogProbs: x.float('old_logprobs'),
        advantages: x.float('advantages'),
        values: x.float('vpred'),
        oldValues: x.float('values'),
        returns: x.float('returns'),
        mask: ofTokens,
      });
      return {
        loss,
        pg_loss: metrics['policy/loss'] as tf.Scalar,
        vf_loss: metrics['value/unscaled'] as tf.Scalar,
        vf_clipfrac: metrics['value/clipFraction'] as tf.Scalar,
      };
    });
  },
};
