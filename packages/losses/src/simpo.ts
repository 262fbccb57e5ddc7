import * as tf from '@tensorflow/tfjs-core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { expectFinite, expectNonNegative, expectPositive, expectSmoothing } from './option-checks.js';
import {
  drawLengths,
  drawPairLogProbs,
  expectLengths,
  expectPairs,
  type PairLengths,
  type PairLogProbs,
  pairResult,
  perLength,
  smoothedLogistic,
} from './pair.js';

/** Options of `simpo`. */
export interface SimpoOptions {
  /** β > 0, default 2. */
  readonly beta?: number;
  /** γ ≥ 0: the margin that a pair shall have, default 0.5. The authors name it by γ / β. */
  readonly gamma?: number;
  /** ε in [0, 0.5), default 0, as in `dpo`. */
  readonly labelSmoothing?: number;
}

/** Options of `alphapo`. */
export interface AlphapoOptions extends SimpoOptions {
  /** α, default 0.25; at 0 it is `simpo`. */
  readonly alpha?: number;
}

/** Inputs of `simpo` and `alphapo`: sums over the responses, and their lengths. */
export interface SimpoInputs extends PairLogProbs, PairLengths {}

/**
 * Simple preference optimization: the mean log-prob of a response as its reward, without a reference, and a target
 * margin.
 *
 *   x = β (log π(y_w) / n_w − log π(y_l) / n_l) − γ
 *   loss = mean over pairs of (1 − ε) softplus(−x) + ε softplus(x)
 *
 * Differences: TRL's defaults (β = 0.1, γ = 0.5, in its CPO) are not SimPO's; the authors' trainer takes γ / β and has
 * 2 and 0.25. Its hinge is `referenceFree(hinge({ beta, targetMargin: 1 + gamma }))` of mean log-probs.
 *
 * Metrics: those of `dpo`, with rewards β log π / n, without γ.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Meng, Xia and Chen 2024, arXiv:2405.14734, equation 6
 */
export function simpo(options: SimpoOptions = {}): Loss<SimpoInputs> {
  return averaged('simpo', options, (means) => means);
}

/**
 * AlphaPO: SimPO with a reward that bends; α > 0 punishes improbable responses more than their logarithm, α < 0 less.
 *
 *   P = exp(log π / n),  reward R = (1 − P^(−α)) / α, which is log P at α = 0
 *   x = β (R_w − R_l) − γ,  loss = mean over pairs of (1 − ε) softplus(−x) + ε softplus(x)
 *
 * Computed as −expm1(−α log P) / α with an exponent of at most 80, so that float32 does not overflow: beyond it the
 * reward is flat.
 *
 * Differences: none to TRL's `alpha` in its CPO, which has no bound. β and γ default to those of `simpo`; the paper
 * tunes them for each model.
 *
 * Metrics: those of `dpo`, with rewards β R.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Gupta et al. 2025, arXiv:2501.03884
 */
export function alphapo({ alpha = 0.25, ...options }: AlphapoOptions = {}): Loss<SimpoInputs> {
  expectFinite('alphapo', 'alpha', alpha);
  if (alpha === 0) return averaged('alphapo', options, (means) => means);
  return averaged('alphapo', options, (means) =>
    tf.div<PerSequence>(tf.expm1(tf.minimum(tf.mul(means, -alpha), 80)), -alpha),
  );
}

function averaged(
  who: string,
  { beta = 2, gamma = 0.5, labelSmoothing = 0 }: SimpoOptions,
  reward: (means: PerSequence) => PerSequence,
): Loss<SimpoInputs> {
  expectPositive(who, 'beta', beta);
  expectNonNegative(who, 'gamma', gamma);
  expectSmoothing(who, 'labelSmoothing', labelSmoothing);
  return (inputs, context = {}) => {
    expectPairs(who, inputs);
    expectLengths(who, inputs);
    return tf.tidy(() => {
      const chosen = reward(perLength(inputs.chosenLogProbs, inputs.chosenLengths));
      const rejected = reward(perLength(inputs.rejectedLogProbs, inputs.rejectedLengths));
      const x = tf.sub<PerSequence>(tf.mul(tf.sub(chosen, rejected), beta), gamma);
      return pairResult(smoothedLogistic(x, labelSmoothing), inputs, context, { beta, chosen, rejected });
    });
  };
}

export const simpoEntry: LossEntry<SimpoInputs> = {
  name: 'simpo',
  formula: 'softplus(γ − β (log π(y_w) / n_w − log π(y_l) / n_l))',
  citation: 'arXiv:2405.14734',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: (shape, rng) => ({ ...drawPairLogProbs(shape, rng), ...drawLengths(shape, rng) }),
  evaluate: simpo(),
};

export const alphapoEntry: LossEntry<SimpoInputs> = {
  name: 'alphapo',
  formula: 'softplus(γ − β (R_w − R_l)), R = (1 − P^(−α)) / α, P = exp(log π / n)',
  citation: 'arXiv:2501.03884',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: (shape, rng) => ({ ...drawPairLogProbs(shape, rng), ...drawLengths(shape, rng) }),
  evaluate: alphapo(),
  variants: { 'with negative alpha': alphapo({ alpha: -0.25 }) },
};
