import * as tf from '@tensorflow/tfjs-core';
import {
  type Aggregate,
  expectSameShape,
  expectShape,
  type Loss,
  maskedMean,
  type PerToken,
  stopGradient,
  tokenMean,
  zeroMasked,
} from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawMask, drawTokens } from './example.js';
import type { TokenInputs } from './token-inputs.js';
import { withTokenTerms } from './token-terms.js';

/** Options of `sampledDistillation`. */
export interface SampledDistillationOptions {
  /** How the losses of tokens become one number; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/** Inputs of `sampledDistillation`: tokens that the student sampled. */
export interface SampledDistillationInputs extends TokenInputs {
  /** log ν of the same tokens under the teacher, [B, T], constant. */
  readonly teacherLogProbs: PerToken;
}

/**
 * On-policy distillation where the teacher scores the sampled tokens only: a policy gradient with the reward log ν − log π
 * of each token, of that token alone.
 *
 *   loss = agg(d logProbs),  d = logProbs − teacherLogProbs, constant
 *
 * Its expected gradient over tokens of the student is that of KL(π ‖ ν) at every token, as `distillation({ beta: 1 })`
 * has it, with the noise of sampling and without a vocabulary of logits. Its value means nothing: look at the metric. The
 * gradient of `kl({ estimator: k2 })` is the same.
 *
 * Metric: `reverseKl`, the mean of d over the mask, which estimates KL(π ‖ ν).
 *
 * @throws ShapeError when called
 * @see Agarwal et al. 2024, arXiv:2306.13649; Hübotter et al. 2026 (SDPO), arXiv:2601.20802
 */
export function sampledDistillation({
  aggregate = tokenMean,
}: SampledDistillationOptions = {}): Loss<SampledDistillationInputs> {
  const loss: Loss<SampledDistillationInputs> = ({ logProbs, teacherLogProbs, mask }, context = {}) => {
    expectShape('sampledDistillation', 'logProbs', logProbs, ['B', 'T']);
    expectSameShape('sampledDistillation', { logProbs, teacherLogProbs, mask });
    return tf.tidy(() => {
      const now = zeroMasked(logProbs, mask);
      const gap = tf.sub<PerToken>(stopGradient(now), zeroMasked(teacherLogProbs, mask));
      return {
        loss: aggregate(tf.mul<PerToken>(gap, now), mask, context),
        metrics: { reverseKl: maskedMean(gap, mask) },
      };
    });
  };
  const slope = (logProb: number, values: Float32Array, at: number): number => logProb - (values[at] as number);
  return withTokenTerms(loss, () => [{ of: 'logProbs', inputs: ['teacherLogProbs'], slope, aggregate }]);
}

export const sampledDistillationEntry: LossEntry<SampledDistillationInputs> = {
  name: 'sampledDistillation',
  formula: '(log π − log ν) log π, the first factor constant',
  citation: 'arXiv:2601.20802',
  per: 'token',
  differentiable: ['logProbs'],
  excused: { descent: 'the weight log π − log ν has no gradient: the value is not what is lowered' },
  example: (shape, rng) => ({
    logProbs: drawTokens(shape, drawLogProb(rng)),
    teacherLogProbs: drawTokens(shape, drawLogProb(rng)),
    mask: drawMask(shape, rng),
  }),
  evaluate: sampledDistillation(),
  build: (aggregate) => sampledDistillation({ aggregate }),
};
