import * as tf from '@tensorflow/tfjs-core';
import {
  maskedMean,
  maskedSum,
  responseMask,
  selectiveLogSoftmax,
  shiftForNextToken,
  sumSquaredProbs,
} from '@tsrl/tensor';
import { type DeviceInputs, onDevice } from '../device.js';
import { flagOf, numberOf } from '../inputs.js';
import { byFunction, type Family } from '../outcome.js';

const selective =
  (ids: string): Family['run'] =>
  (golden) =>
    onDevice(golden, { of: 'logprobs' }, (x) => ({
      logprobs: selectiveLogSoftmax(x.float<tf.Tensor>('logits'), x.ids<tf.Tensor>(ids)),
    }));

/** logits[t] predicts ids[t + 1]. */
function shifted(x: DeviceInputs, ids: string): { readonly logProbs: tf.Tensor2D; readonly ids: tf.Tensor2D } {
  const chosen = x.ids<tf.Tensor2D>(ids);
  const logits = x.float<tf.Tensor3D>('logits');
  const next = shiftForNextToken({ ids: chosen, logits, mask: tf.ones(chosen.shape) });
  return { logProbs: selectiveLogSoftmax(next.logits, next.ids), ids: next.ids };
}

export const logprobsVerl: Family = byFunction('logprobs.verl', {
  logprobs_from_logits_v2: selective('labels'),
  logprobs_from_logits_naive: selective('labels'),
  log_probs_from_logits_response: (golden) =>
    onDevice(golden, { of: 'logprobs' }, (x) => {
      const { logProbs } = shifted(x, 'input_ids');
      const [rows, columns] = logProbs.shape;
      const length = numberOf(golden, 'response_length');
      return { logprobs: tf.slice(logProbs, [0, columns - length], [rows, length]) };
    }),
  calculate_sum_pi_squared_from_logits: (golden) =>
    onDevice(golden, { of: 'sum_pi_squared' }, (x) => ({
      sum_pi_squared: sumSquaredProbs(x.float<tf.Tensor>('logits')),
    })),
  get_response_mask: (golden) =>
    onDevice(golden, { of: 'mask' }, (x) => ({
      mask: responseMask(x.ids('response_ids'), { eosIds: [golden.params['eos_token'] as number | number[]].flat() }),
    })),
});

export const logprobsTrl: Family = { file: 'logprobs.trl', run: selective('index') };

/** Label −100 marks what does not count: it is the `ignoreId` of `selectiveLogSoftmax`. */
export const logprobsSequence: Family = {
  file: 'logprobs.sequence',
  run: (golden) =>
    onDevice(golden, { of: 'logps' }, (x) => {
      const { logProbs, ids } = shifted(x, 'labels');
      const mask = tf.cast(tf.notEqual(ids, -100), 'float32');
      const reduce = flagOf(golden, 'average_log_prob') ? maskedMean : maskedSum;
      return { logps: reduce(logProbs, mask, { axis: 1 }) };
    }),
};
