import * as tf from '@tensorflow/tfjs-core';
import { sapo } from '@tsrl/losses';
import { numberOf } from '../inputs.js';
import type { Family } from '../outcome.js';
import { verlPolicyLoss } from '../verl-policy-loss.js';

/** Nothing is clipped: verl's fractions are 0. */
export const policyLossSapo: Family = {
  file: 'policy-loss.sapo',
  run(golden) {
    const positiveTemperature = numberOf(golden, 'tau_pos', 1);
    const negativeTemperature = numberOf(golden, 'tau_neg', 1.05);
    return verlPolicyLoss(golden, {
      build: (aggregate) => sapo({ positiveTemperature, negativeTemperature, aggregate }),
      mode: 'seq-mean-token-mean',
      metrics: () => ({ pg_clipfrac: tf.scalar(0), pg_clipfrac_lower: tf.scalar(0) }),
    });
  },
};
