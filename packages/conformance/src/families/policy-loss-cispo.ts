import * as tf from '@tensorflow/tfjs-core';
import { cispo } from '@tsrl/losses';
import { numberOf } from '../inputs.js';
import type { Family } from '../outcome.js';
import { verlPolicyLoss } from '../verl-policy-loss.js';

/** verl's clips the weight to both sides of 1; a lower bound below 0 is none. */
export const policyLossCispo: Family = {
  file: 'policy-loss.cispo',
  run(golden) {
    const clip = numberOf(golden, 'clip_ratio');
    const minRatio = Math.max(1 - numberOf(golden, 'clip_ratio_low', clip), 0);
    const maxRatio = 1 + numberOf(golden, 'clip_ratio_high', clip);
    return verlPolicyLoss(golden, {
      build: (aggregate) => cispo({ minRatio, maxRatio, aggregate }),
      metrics: ({ clipFraction }) => ({ pg_clipfrac: clipFraction as tf.Scalar, pg_clipfrac_lower: tf.scalar(0) }),
    });
  },
};
