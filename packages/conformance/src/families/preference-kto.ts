import * as tf from '@tensorflow/tfjs-core';
import { apoZeroUnpaired, type KtoOptions, kto, type Loss, type UnpairedInputs } from '@tsrl/losses';
import { type DeviceInputs, onDevice } from '../device.js';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { numberOf, tensorOf, textOf } from '../inputs.js';
import { oneByOne } from '../one-by-one.js';
import type { Family } from '../outcome.js';

/** TRL stacks the losses of the desirable examples above those of the others, and logs rewards of classes it saw. */
export const preferenceKto: Family = {
  file: 'preference.kto',
  run(golden) {
    const options = {
      beta: numberOf(golden, 'beta'),
      desirableWeight: numberOf(golden, 'desirable_weight'),
      undesirableWeight: numberOf(golden, 'undesirable_weight'),
    };
    const labels = Array.from(tensorOf(golden, 'label').data);
    const order = [1, 0].flatMap((label) => labels.flatMap((of, i) => (of === label ? [i] : [])));
    return onDevice(golden, { of: 'loss' }, (x) => {
      const { loss, losses, metrics, kl } = evaluate(golden, options, x);
      const [desirable, undesirable] = [metrics['desirableReward'], metrics['undesirableReward']] as tf.Scalar[];
      return {
        loss,
        losses: tf.gather(losses, order),
        kl,
        ...(labels.includes(1) ? { 'metrics.rewards/chosen': desirable as tf.Scalar } : {}),
        ...(labels.includes(0) ? { 'metrics.rewards/rejected': undesirable as tf.Scalar } : {}),
        'metrics.rewards/margins': tf.sub(desirable as tf.Scalar, undesirable as tf.Scalar),
      };
    });
  },
};

interface Evaluated {
  readonly loss: tf.Scalar;
  readonly losses: tf.Tensor1D;
  readonly metrics: Readonly<Record<string, tf.Scalar>>;
  readonly kl: tf.Tensor;
}

function evaluate(golden: GoldenCase, options: KtoOptions, x: DeviceInputs): Evaluated {
  const vector = (name: string): tf.Tensor1D => x.float<tf.Tensor1D>(name);
  const inputs = {
    logProbs: vector('policy_logps'),
    refLogProbs: vector('reference_logps'),
    labels: vector('label'),
  };
  switch (textOf(golden, 'loss_type')) {
    case 'kto': {
      const kl = { klLogProbs: vector('policy_KL_logps'), refKlLogProbs: vector('reference_KL_logps') };
      const loss = kto(options);
      const result = loss({ ...inputs, ...kl });
      const losses = oneByOne(loss, { ...inputs, ...kl }, { ofBatch: ['klLogProbs', 'refKlLogProbs'] });
      return { ...result, losses, kl: result.metrics['kl'] as tf.Scalar };
    }
    case 'apo_zero_unpaired': {
      const loss: Loss<UnpairedInputs> = apoZeroUnpaired(options);
      return { ...loss(inputs), losses: oneByOne(loss, inputs), kl: tf.zeros([1]) };
    }
    default:
      throw new UnmappedError(`no loss is called ${textOf(golden, 'loss_type')}`);
  }
}
