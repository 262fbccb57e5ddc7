import type * as tf from '@tensorflow/tfjs-core';
import { type ClippedValueLossInputs, valueLoss } from '@tsrl/losses';
import type { Aggregate } from '@tsrl/tensor';
import { openRlhfAggregate, through, verlAggregate } from '../aggregation.js';
import { type DeviceInputs, onDevice } from '../device.js';
import { flagOf, numberOf, optionalNumber, tensorOf, textOf } from '../inputs.js';
import type { Family } from '../outcome.js';

export const valueLossVerl: Family = {
  file: 'value-loss',
  run(golden) {
    const aggregate = verlAggregate(textOf(golden, 'loss_agg_mode'), golden.params);
    const counts = { per_token_loss: tensorOf(golden, 'response_mask').data };
    return onDevice(golden, { of: 'loss', counts }, (x) => {
      let perToken: tf.Tensor | undefined;
      const look: Aggregate = through(aggregate, (losses) => {
        perToken = x.keep(losses);
        return losses;
      });
      const { loss, metrics } = valueLoss({ clip: numberOf(golden, 'cliprange_value'), aggregate: look })(
        inputs(x, 'vpreds', 'values', 'response_mask'),
      );
      return { loss, per_token_loss: perToken as tf.Tensor, clipfrac: metrics['clipFraction'] as tf.Scalar };
    });
  },
};

export const valueLossOpenRlhf: Family = {
  file: 'value-loss.openrlhf',
  run(golden) {
    const aggregate = openRlhfAggregate(flagOf(golden, 'token_level_loss'), golden.params);
    const clip = optionalNumber(golden, 'clip_eps');
    const loss = clip === undefined ? valueLoss({ aggregate }) : valueLoss({ clip, aggregate });
    return onDevice(golden, { of: 'loss' }, (x) => ({
      loss: loss(inputs(x, 'values', 'old_values', 'action_mask')).loss,
    }));
  },
};

const inputs = (x: DeviceInputs, values: string, oldValues: string, mask: string): ClippedValueLossInputs => ({
  values: x.float(values),
  oldValues: x.float(oldValues),
  returns: x.float('returns'),
  mask: x.float(mask),
});
