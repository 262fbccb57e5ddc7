import * as tf from '@tensorflow/tfjs-core';
import { expectLength, logSigmoid, StateError } from '@tsrl/core';
import { bcoPair } from '@tsrl/losses';
import type { BinaryScores, Loss } from '@tsrl/tensor';

/** Options of `binaryFeedback`. */
export interface BinaryFeedbackOptions {
  /** β > 0, default 0.1. */
  readonly beta?: number;
}

/** What stays fixed between two refreshes, all [N]: the desired answer is the chosen one, the other one is rejected. */
export type BinaryFeedbackColumns = {
  readonly labels: Float64Array;
  /** log π_ref(y|x) + δ / β, so that β (log π − this) is the reward against the shift. */
  readonly refChosenLogProbs: Float64Array;
  readonly refRejectedLogProbs: Float64Array;
};

/** BCO; fits the `Method` of `@tsrl/training`. */
export interface BinaryFeedback {
  readonly name: 'bco';
  readonly observes: readonly ['logits', 'refLogits'];
  prepare(observation: {
    readonly labels: Float64Array;
    readonly logits?: Float64Array;
    readonly refLogits?: Float64Array;
  }): BinaryFeedbackColumns;
  readonly loss: Loss<BinaryScores & { readonly [Name in keyof BinaryFeedbackColumns]: tf.Tensor1D }>;
}

/**
 * Binary classifier optimization on the data of a classifier, a comparator: of each text the labelled class is a desired
 * answer and the other class an undesired one.
 *
 *   L = (1/N) Σ_i softplus(δ − r(x_i, y_i)) + softplus(r(x_i, 1 − y_i) − δ),  r(x, a) = β log(π(a|x) / π_ref(a|x))
 *   δ = ½ (mean of r(x_i, y_i) + mean of r(x_i, 1 − y_i)), without gradient
 *
 * δ is taken anew at each refresh, exactly, from the observed policy over all examples of the refresh: so it is a function
 * of the run, and a resumed run has it bit for bit. It begins at 0. Metrics: those of `bcoPair`, with rewards against δ.
 *
 * Differences: the paper's δ is an exponential average over batches (`classMeanShift` of @tsrl/losses). Every text gives one
 * answer of each kind here, so that TRL's mean over both kinds together is the same.
 *
 * @throws OptionError when built, StateError and ShapeError for an observation that is missing or of another length
 * @see Jung et al. 2024, arXiv:2404.04656
 */
export function binaryFeedback({ beta = 0.1 }: BinaryFeedbackOptions = {}): BinaryFeedback {
  const pairs = bcoPair({ beta });
  return {
    name: 'bco',
    observes: ['logits', 'refLogits'],
    prepare({ labels, logits, refLogits }) {
      if (!logits || !refLogits) throw new StateError('binaryFeedback', 'needs logits and refLogits');
      expectLength('binaryFeedback', 'logits', logits, labels.length);
      expectLength('binaryFeedback', 'refLogits', refLogits, labels.length);
      // log π / π_ref of the labelled class and of the other one, together.
      const ratios = labels.map((_, i) => bothLogProbs(logits[i] as number) - bothLogProbs(refLogits[i] as number));
      const shift = ratios.reduce((sum, ratio) => sum + ratio, 0) / (2 * Math.max(ratios.length, 1)); // δ / β
      const reference = (sign: 1 | -1): Float64Array =>
        labels.map((y, i) => logSigmoid(sign * (2 * y - 1) * (refLogits[i] as number)) + shift);
      return { labels, refChosenLogProbs: reference(1), refRejectedLogProbs: reference(-1) };
    },
    loss: ({ logits, labels, refChosenLogProbs, refRejectedLogProbs }, context) =>
      tf.tidy(() => {
        const towards = tf.mul<tf.Tensor1D>(tf.sub(tf.mul(labels, 2), 1), logits);
        const chosenLogProbs = tf.neg<tf.Tensor1D>(tf.softplus(tf.neg(towards)));
        const rejectedLogProbs = tf.neg<tf.Tensor1D>(tf.softplus(towards));
        return { ...pairs({ chosenLogProbs, rejectedLogProbs, refChosenLogProbs, refRejectedLogProbs }, context) };
      }),
  };
}

const bothLogProbs = (logit: number): number => logSigmoid(logit) + logSigmoid(-logit);
