import * as tf from '@tensorflow/tfjs-core';
import { k3, maskedMean, type PerToken, stopGradient, zeroMasked } from '@tsrl/tensor';
import { expectPolicyInputs, type PolicyInputs } from './policy-inputs.js';

/** What a policy loss over tokens computes with: the inputs with 0 where nothing counts, and the ratio. */
export interface PolicyRatio {
  /** log π, differentiable. */
  readonly now: PerToken;
  readonly advantage: PerToken;
  /** ρ = exp(log π − log π_old), the exponent clamped to a range, differentiable. */
  readonly ratio: PerToken;
  /** Means over the mask: k3 of the old policy to the new one, and the ratio. */
  readonly metrics: { readonly approxKl: tf.Scalar; readonly ratioMean: tf.Scalar };
}

/** The exponent of a ratio lies in this range, so that the ratio is finite. */
export const defaultRange: readonly [number, number] = [-20, 20];

export function policyRatio(
  who: string,
  inputs: PolicyInputs,
  [low, high]: readonly [number, number] = defaultRange,
): PolicyRatio {
  expectPolicyInputs(who, inputs);
  const { logProbs, oldLogProbs, advantages, mask } = inputs;
  const now = zeroMasked(logProbs, mask);
  const old = zeroMasked(oldLogProbs, mask);
  const difference = tf.sub<PerToken>(now, old);
  // The tensor first: in the other order `tf.maximum` and `tf.minimum` lose a NaN on wasm.
  const ratio = tf.exp<PerToken>(tf.minimum(tf.maximum(difference, low), high));
  return {
    now,
    advantage: zeroMasked(advantages, mask),
    ratio,
    metrics: {
      approxKl: maskedMean(k3(old, stopGradient(now)), mask),
      ratioMean: maskedMean(stopGradient(ratio), mask),
    },
  };
}

/** The share of the tokens for which a condition holds. */
export const fractionOf = (condition: tf.Tensor, mask: PerToken): tf.Scalar =>
  maskedMean(tf.cast(condition, 'float32') as PerToken, mask);
