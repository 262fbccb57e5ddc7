import * as tf from '@tensorflow/tfjs-core';
import { expectSameShape, type Loss, type PerSequence, stopGradient } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawSequences } from './example.js';
import { hinge } from './hinge.js';
import { expectNonNegative, expectPositive } from './option-checks.js';
import { drawPairLogProbs, expectPairs, type PairLogProbs } from './pair.js';
import { referenceFree } from './reference-free.js';

/** Options of `slic`. */
export interface SlicOptions {
  /** δ > 0, default 1. */
  readonly targetMargin?: number;
  /** λ ≥ 0: weight of the target's log-prob, default 0.1. Without a target `referenceFree(hinge({ beta: 1 }))` is all. */
  readonly imitationWeight?: number;
}

/** Inputs of `slic`. */
export interface SlicInputs extends PairLogProbs {
  /** log π(y_t | x) of the target of fine-tuning, or of the best sample, summed over its tokens, [B], differentiable. */
  readonly targetLogProbs: PerSequence;
}

/**
 * Sequence likelihood calibration: a margin between the log-probs of two responses, and the likelihood of a target that
 * keeps the policy where it was.
 *
 *   loss = mean over pairs of max(0, δ − log π(y_w) + log π(y_l)) − λ log π(y_t)
 *
 * `weights` weigh the first term only. Gradient of the first: −1 and +1 where the margin is below δ, and 0 elsewhere. For
 * the margin against a reference see `hinge`.
 *
 * Differences: TRL's `hinge` has a reference (it is that of RSO); HALOs adds the target's log-prob of every token to the
 * loss of the sequence, which fails unless B = T.
 *
 * Metrics: those of `dpo`, with rewards log π, and `targetLogProb`, its mean.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Zhao et al. 2023, arXiv:2305.10425, equation 1
 */
export function slic({ targetMargin = 1, imitationWeight = 0.1 }: SlicOptions = {}): Loss<SlicInputs> {
  expectPositive('slic', 'targetMargin', targetMargin);
  expectNonNegative('slic', 'imitationWeight', imitationWeight);
  const calibration = referenceFree(hinge({ beta: 1, targetMargin }));
  return ({ targetLogProbs, ...pairs }, context = {}) => {
    const { chosenLogProbs } = pairs;
    expectPairs('slic', pairs);
    expectSameShape('slic', { chosenLogProbs, targetLogProbs });
    return tf.tidy(() => {
      const { loss, metrics } = calibration(pairs, context);
      const target = tf.div(tf.sum(targetLogProbs), context.sequences ?? targetLogProbs.size);
      return {
        loss: tf.sub<tf.Scalar>(loss, tf.mul(target, imitationWeight)),
        metrics: { ...metrics, targetLogProb: tf.mean<tf.Scalar>(stopGradient(targetLogProbs)) },
      };
    });
  };
}

export const slicEntry: LossEntry<SlicInputs> = {
  name: 'slic',
  formula: 'max(0, δ − log π(y_w) + log π(y_l)) − λ log π(y_target)',
  citation: 'arXiv:2305.10425',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs', 'targetLogProbs'],
  example: (shape, rng) => ({
    ...drawPairLogProbs(shape, rng),
    targetLogProbs: drawSequences(shape, drawLogProb(rng)),
  }),
  evaluate: slic(),
};
