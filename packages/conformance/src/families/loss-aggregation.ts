import type * as tf from '@tensorflow/tfjs-core';
import type { Aggregate } from '@tsrl/tensor';
import { openRlhfAggregate, verlAggregate } from '../aggregation.js';
import { onDevice } from '../device.js';
import type { GoldenCase } from '../golden.js';
import { flagOf, textOf } from '../inputs.js';
import { type Family, type Mapped, notMapped } from '../outcome.js';

const aggregated = (golden: GoldenCase, perToken: string, aggregate: Aggregate): Promise<Mapped> =>
  onDevice(golden, { of: 'loss' }, (x): { loss: tf.Scalar } => ({
    loss: aggregate(x.float(perToken), x.float('loss_mask'), {}),
  }));

export const lossAggregationVerl: Family = {
  file: 'loss-aggregation.verl',
  run: (golden) => aggregated(golden, 'loss_mat', verlAggregate(textOf(golden, 'loss_agg_mode'), golden.params)),
};

export const lossAggregationOpenRlhf: Family = {
  file: 'loss-aggregation.openrlhf',
  run: (golden) =>
    golden.function === undefined || golden.function === 'aggregate_loss'
      ? aggregated(golden, 'loss', openRlhfAggregate(flagOf(golden, 'token_level_loss'), golden.params))
      : notMapped(`no mapping of the function ${golden.function}`),
};
