import * as tf from '@tensorflow/tfjs-core';
import { entropyBonus } from '@tsrl/losses';
import { entropy, highEntropyMask } from '@tsrl/tensor';
import { verlAggregate } from '../aggregation.js';
import { onDevice } from '../device.js';
import { numberOf, textOf } from '../inputs.js';
import { byFunction, type Family } from '../outcome.js';

const ofLogits: Family['run'] = (golden) =>
  onDevice(golden, { of: 'entropy' }, (x) => ({ entropy: entropy(x.float<tf.Tensor>('logits')) }));

export const entropyVerl: Family = byFunction('entropy.verl', {
  entropy_from_logits: ofLogits,
  entropy_from_logits_with_chunking: ofLogits,
  // The aggregated entropy itself, which is minus our bonus.
  compute_entropy_loss: (golden) =>
    onDevice(golden, { of: 'entropy_loss' }, (x) => {
      const bonus = entropyBonus({ aggregate: verlAggregate(textOf(golden, 'loss_agg_mode'), golden.params) });
      const { loss } = bonus({ entropy: entropy(x.float<tf.Tensor3D>('logits')), mask: x.float('response_mask') });
      return { entropy_loss: tf.neg(loss) };
    }),
});

export const entropyTrl: Family = byFunction('entropy.trl', {
  entropy_from_logits: ofLogits,
  // The source takes the level of the quantile, we the share above it, which is more than none.
  get_high_entropy_mask: (golden) =>
    onDevice(golden, { of: 'entropy_mask' }, (x) => ({
      entropy_mask: highEntropyMask(x.float('entropies'), x.float('mask'), {
        fraction: Math.max(1 - numberOf(golden, 'threshold'), Number.EPSILON),
      }),
    })),
});
