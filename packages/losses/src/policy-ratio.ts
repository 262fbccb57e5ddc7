import * as tf from '@tensorflow/tfjs-core';
import { k3, maskedMean, type PerToken, stopGradient, zeroMasked } from '@tsrl/tensor';
import { expectPolicyInputs, type PolicyInputs, type RatioInputs } from './policy-inputs.js';

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

/** ρ at the tokens of the mask, 1 elsewhere; of inputs that were checked. */
export function tokenRatio(
  { logProbs, oldLogProbs, mask }: RatioInputs,
  [low, high]: readonly [number, number] = defaultRange,
): PerToken {
  const difference = tf.sub(zeroMasked(logProbs, mask), zeroMasked(oldLogProbs, mask));
  // The tensor first: in the other order `tf.maximum` and `tf.minimum` lose a NaN on wasm.
  return tf.exp(tf.minimum<PerToken>(tf.maximum(difference, low), high));
}

export function policyRatio(
  who: string,
  inputs: PolicyInputs,
  range: readonly [number, number] = defaultRange,
): PolicyRatio {
  expectPolicyInputs(who, inputs);
  const { logProbs, oldLogProbs, advantages, mask } = inputs;
  const now = zeroMasked(logProbs, mask);
  const ratio = tokenRatio(inputs, range);
  return {
    now,
    advantage: zeroMasked(advantages, mask),
    ratio,
    metrics: {
      approxKl: maskedMean(k3(zeroMasked(oldLogProbs, mask), stopGradient(now)), mask),
      ratioMean: maskedMean(stopGradient(ratio), mask),
    },
  };
}

/** The share of the tokens for which a condition holds. */
export const fractionOf = (condition: tf.Tensor, mask: PerToken): tf.Scalar =>
  maskedMean(tf.cast(condition, 'float32') as PerToken, mask);
