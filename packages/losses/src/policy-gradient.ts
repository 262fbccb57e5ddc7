import * as tf from '@tensorflow/tfjs-core';
import {
  type Aggregate,
  expectSameShape,
  expectShape,
  type Loss,
  maskedMean,
  type PerToken,
  stopGradient,
  zeroMasked,
} from '@tsrl/tensor';
import type { TokenInputs } from './token-inputs.js';
import { withTokenTerms } from './token-terms.js';

/** Inputs of `reinforce` and `gpg`. */
export interface ReinforceInputs extends TokenInputs {
  /** [B, T], constant. */
  readonly advantages: PerToken;
}

/** agg(−A logProbs), which `reinforce` and `gpg` are under their own names. Not for export. */
export function policyGradient(who: string, aggregate: Aggregate): Loss<ReinforceInputs> {
  const loss: Loss<ReinforceInputs> = ({ logProbs, advantages, mask }, context = {}) => {
    expectShape(who, 'logProbs', logProbs, ['B', 'T']);
    expectSameShape(who, { logProbs, advantages, mask });
    return tf.tidy(() => {
      const now = zeroMasked(logProbs, mask);
      const perToken = tf.neg(tf.mul<PerToken>(zeroMasked(advantages, mask), now));
      return {
        loss: aggregate(perToken, mask, context),
        metrics: { logProb: maskedMean(stopGradient(now), mask) },
      };
    });
  };
  const slope = (_: number, values: Float32Array, at: number): number => -(values[at] as number);
  return withTokenTerms(loss, () => [{ of: 'logProbs', inputs: ['advantages'], slope, aggregate }]);
}
