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
import { expectNonNegative } from './option-checks.js';
import type { SampledDistillationInputs } from './sampled-distillation.js';

/** Options of `iwOpd`. */
export interface IwOpdOptions {
  /** γ ≥ 0: how much more the first token weighs than the last; default 0.5, and 0 weighs all the same. */
  readonly gamma?: number;
  /** How the losses of tokens become one number; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/** Inputs of `iwOpd`. */
export interface IwOpdInputs extends SampledDistillationInputs {
  /** log-probs under the student that sampled the tokens, [B, T], constant; those of `logProbs` if left out. */
  readonly rolloutLogProbs?: PerToken;
}

/**
 * Importance-weighted on-policy distillation: `sampledDistillation` in which a token weighs less the more of the
 * disagreement of its response lies before it.
 *
 *   a_t = teacherLogProbs − rolloutLogProbs,  w_t = 1 + γ (1 − Σ_{s < t} |a_s| / Σ_s |a_s|),  both constant
 *   loss = agg(−w_t a_t logProbs_t)
 *
 * The sums run over the tokens of a response that count. With γ = 0 and without `rolloutLogProbs` it is
 * `sampledDistillation`. A response without disagreement has a = 0 and teaches nothing.
 *
 * Differences: TRL adds 1e-8 to the sum that is divided by.
 *
 * Metrics: `reverseKl`, the mean of −a over the mask, and `weightMean`, that of w.
 *
 * @throws OptionError when built, ShapeError when called
 * @see IW-OPD, 2026, arXiv:2606.22600
 */
export function iwOpd({ gamma = 0.5, aggregate = tokenMean }: IwOpdOptions = {}): Loss<IwOpdInputs> {
  expectNonNegative('iwOpd', 'gamma', gamma);
  return ({ logProbs, teacherLogProbs, rolloutLogProbs = logProbs, mask }, context = {}) => {
    expectShape('iwOpd', 'logProbs', logProbs, ['B', 'T']);
    expectSameShape('iwOpd', { logProbs, teacherLogProbs, rolloutLogProbs, mask });
    return tf.tidy(() => {
      const sampled = stopGradient(zeroMasked(rolloutLogProbs, mask));
      const gap = tf.sub<PerToken>(zeroMasked(teacherLogProbs, mask), sampled);
      const size = tf.abs<PerToken>(gap);
      const passed = tf.divNoNan(tf.cumsum(size, 1, true), tf.sum(size, 1, true));
      const weight = tf.add<PerToken>(tf.mul(tf.sub(1, passed), gamma), 1);
      const losses = tf.mul<PerToken>(tf.neg(tf.mul(weight, gap)), zeroMasked(logProbs, mask));
      return {
        loss: aggregate(losses, mask, context),
        metrics: { reverseKl: maskedMean(tf.neg(gap), mask), weightMean: maskedMean(weight, mask) },
      };
    });
  };
}

export const iwOpdEntry: LossEntry<IwOpdInputs> = {
  name: 'iwOpd',
  formula: '−w a log π, a = log ν − log π_old, w_t = 1 + γ (1 − share of |a| before t)',
  citation: 'arXiv:2606.22600',
  per: 'token',
  differentiable: ['logProbs'],
  example: (shape, rng) => ({
    logProbs: drawTokens(shape, drawLogProb(rng)),
    teacherLogProbs: drawTokens(shape, drawLogProb(rng)),
    rolloutLogProbs: drawTokens(shape, drawLogProb(rng)),
    mask: drawMask(shape, rng),
  }),
  evaluate: iwOpd(),
  build: (aggregate) => iwOpd({ aggregate }),
};
