import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { maskedMean, type PerToken, stopGradient, zeroMasked } from '@tsrl/tensor';
import { expectPolicyInputs, type PolicyInputs } from './policy-inputs.js';
import { overTokens } from './sequence-ratio.js';

/** Options of `offPolicyMask`. */
export interface OffPolicyMaskOptions {
  /** δ: how far the policy may have moved away from a response that it is to avoid; any number, TRL suggests 0.5. */
  readonly threshold: number;
}

/**
 * Leaves out the responses that are bad and no longer the policy's own, as 0 and 1, [B, T]:
 *
 *   keep_it = 0 if A_it < 0 and Σ_t m_it (oldLogProbs_it − logProbs_it) / n_i > δ, else 1; 0 where the mask is 0
 *
 * They go into a loss as weights of its tokens (`tokenWeighted`): the denominators stay. Without gradient.
 * `oldLogProbs` are those of the sampler.
 *
 * TRL's `off_policy_mask_threshold`.
 *
 * @throws OptionError unless the threshold is a number, ShapeError
 * @see DeepSeek-AI 2025 (DeepSeek-V3.2), arXiv:2512.02556
 */
export function offPolicyMask(inputs: PolicyInputs, { threshold }: OffPolicyMaskOptions): PerToken {
  if (Number.isNaN(threshold)) throw new OptionError('offPolicyMask', 'threshold', 'a number', threshold);
  expectPolicyInputs('offPolicyMask', inputs);
  return tf.tidy(() => {
    const { logProbs, oldLogProbs, advantages, mask } = inputs;
    const left = tf.sub(zeroMasked(oldLogProbs, mask), zeroMasked(stopGradient(logProbs), mask));
    const far = tf.greater(overTokens(maskedMean(left, mask, { axis: 1 }), mask), threshold);
    const dropped = tf.logicalAnd(far, tf.less(zeroMasked(advantages, mask), 0));
    return zeroMasked(tf.sub<PerToken>(1, tf.cast(dropped, 'float32')), mask);
  });
}
