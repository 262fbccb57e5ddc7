import type * as tf from '@tensorflow/tfjs-core';
import { ppoClip } from '@tsrl/losses';
import { numberOf } from '../inputs.js';
import type { Family } from '../outcome.js';
import { verlPolicyLoss } from '../verl-policy-loss.js';

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
    return verlPolicyLoss(golden, {
      build: (aggregate) => ppoClip({ ...options, aggregate }),
      metrics: ({ clipFraction, dualClipFraction }) => ({
        pg_clipfrac: clipFraction as tf.Scalar,
        pg_clipfrac_lower: dualClipFraction as tf.Scalar,
      }),
    });
  },
};
