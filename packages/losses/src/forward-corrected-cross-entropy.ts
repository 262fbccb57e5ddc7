import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import { type BinaryInputs, binaryLoss, drawBinary } from './binary-loss.js';
import type { LossEntry } from './entry.js';

/** Options of `forwardCorrectedCrossEntropy`. */
export interface ForwardCorrectedCrossEntropyOptions {
  /** e₀ = P(observed 1 | true 0), in [0, 1). */
  readonly falsePositive: number;
  /** e₁ = P(observed 0 | true 1), in [0, 1). With e₀ it must sum to less than 1. */
  readonly falseNegative: number;
  /** Weights of class 0 and class 1, by the observed label; default [1, 1]. */
  readonly classWeights?: readonly [number, number];
}

/**
 * Cross-entropy of noisy labels with the probability of what is observed, of which p is that of what is true:
 *
 *   (1 / N) Σ_i −w(y_i) (y_i log p̃_i + (1 − y_i) log(1 − p̃_i)),  p̃ = (1 − e₁) p + e₀ (1 − p),  N = B, or `context.sequences`
 *
 * With equal weights its mean over the noise is smallest where p is the true probability. Without noise it is
 * `binaryCrossEntropy`. A label between 0 and 1 interpolates the weighted losses of both.
 *
 * Gradient in z: −w (1 − e₀ − e₁) p (1 − p) / (p̃ N) for label 1, w (1 − e₀ − e₁) p (1 − p) / ((1 − p̃) N) for label 0.
 * An observed 1 that the model denies is a false positive where those exist: for z → −∞ its loss tends to −w log e₀ and
 * its gradient vanishes like e^z, where that of cross-entropy tends to −w. An observed 0 likewise, with e₁ and e^−z.
 * Values and gradients keep their digits on both sides, and for any rates. Metric: `accuracy` against the observed
 * labels, class 1 being predicted where z > 0.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Patrini et al. 2017, arXiv:1609.03683, theorem 2
 */
export function forwardCorrectedCrossEntropy({
  falsePositive,
  falseNegative,
  classWeights = [1, 1],
}: ForwardCorrectedCrossEntropyOptions): Loss<BinaryInputs> {
  const who = 'forwardCorrectedCrossEntropy';
  for (const [name, rate] of Object.entries({ falsePositive, falseNegative })) {
    if (!(rate >= 0 && rate < 1)) throw new OptionError(who, name, 'in [0, 1)', rate);
  }
  const sum = falsePositive + falseNegative;
  if (!(sum < 1)) {
    const expected = 'less than 1, for beyond that the observed label says the opposite of the true one';
    throw new OptionError(who, 'falsePositive + falseNegative', expected, sum);
  }
  return binaryLoss({
    who,
    classWeights,
    lossOf: (against, label) =>
      label === 1
        ? observedSurprisal(against, falseNegative, falsePositive)
        : observedSurprisal(against, falsePositive, falseNegative),
  });
}

/**
 * −log((1 − e) p_y + e' (1 − p_y)), u = `against` the log-odds of 1 − p_y, e the share of labels that was lost to the
 * other one and e' what was gained from it. By logs of both summands, with δ = log(e' / (1 − e)) < 0:
 *
 *   −log(1 − e) + softplus(u) − softplus(u + δ)   where u + δ ≤ 0: the label is likelier right than gained
 *   −log e' + softplus(−u) − softplus(−u − δ)     elsewhere
 *
 * Both are the same number, but each takes large numbers from each other on the side of the other one. The slope is
 * (1 − e − e') σ(u) σ(−u) / ((1 − e) p_y + e' (1 − p_y)).
 */
function observedSurprisal(
  against: PerSequence,
  lost: number,
  gained: number,
): { readonly value: PerSequence; readonly slope: PerSequence } {
  const pair = [tf.softplus(against), tf.softplus(tf.neg(against))] as const;
  const right = tf.sub<PerSequence>(pair[0], Math.log1p(-lost));
  // Nothing to add, and no −∞ in a tensor.
  if (gained === 0) return { value: right, slope: tf.sigmoid(against) };
  const likelier = tf.add(against, Math.log(gained) - Math.log1p(-lost));
  const value = tf.where<PerSequence>(
    tf.lessEqual(likelier, 0),
    tf.sub(right, tf.softplus(likelier)),
    tf.sub(tf.sub(pair[1], Math.log(gained)), tf.softplus(tf.neg(likelier))),
  );
  const moved = tf.sub<PerSequence>(tf.sub(value, tf.add(pair[0], pair[1])), -Math.log1p(-lost - gained));
  return { value, slope: tf.exp(moved) };
}

export const forwardCorrectedCrossEntropyEntry: LossEntry<BinaryInputs> = {
  name: 'forwardCorrectedCrossEntropy',
  formula: '−y log p̃ − (1 − y) log(1 − p̃), p̃ = (1 − e₁) p + e₀ (1 − p)',
  citation: 'arXiv:1609.03683',
  per: 'example',
  differentiable: ['logits'],
  example: drawBinary,
  evaluate: forwardCorrectedCrossEntropy({ falsePositive: 0.1, falseNegative: 0.2 }),
  variants: {
    'false negatives only': forwardCorrectedCrossEntropy({ falsePositive: 0, falseNegative: 0.3 }),
    weighted: forwardCorrectedCrossEntropy({ falsePositive: 0.2, falseNegative: 0.05, classWeights: [0.5, 2] }),
  },
};
