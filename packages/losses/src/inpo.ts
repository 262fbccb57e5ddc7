import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { expectSameShape, expectShape, type Loss, type PerSequence, stopGradient } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawSequences } from './example.js';
import { expectPositive } from './option-checks.js';

/** Options of `inpo`. */
export interface InpoOptions {
  /** η > 0, the step of mirror descent; default 0.005. */
  readonly eta?: number;
  /** τ in [0, η], the pull of the reference; default η / 3. 0 is self-play without it, η is IPO with β = η. */
  readonly tau?: number;
}

/** Inputs of `inpo`: pairs that the previous iterate sampled, as sums of log-probs over the tokens, [B]. */
export interface InpoInputs {
  /** log π of the preferred response, differentiable. */
  readonly chosenLogProbs: PerSequence;
  /** log π of the other, differentiable. */
  readonly rejectedLogProbs: PerSequence;
  /** The same of the reference, constant. */
  readonly refChosenLogProbs: PerSequence;
  readonly refRejectedLogProbs: PerSequence;
  /** The same of the previous iterate π_t, constant. */
  readonly oldChosenLogProbs: PerSequence;
  readonly oldRejectedLogProbs: PerSequence;
}

/**
 * Iterative Nash policy optimization: a step of mirror descent in a game of preferences, from pairs alone.
 *
 *   h = Δ log π − (τ / η) Δ log π_ref − (1 − τ / η) Δ log π_t,  Δ = chosen − rejected
 *   loss = (1 / N) Σ (h − 1 / (2 η))²,  N = B, or `context.sequences`
 *
 * Its expectation over pairs of π_t is least at the exact step π_{t+1} ∝ exp(P(y ≻ π_t) / η) π_ref^(τ/η) π_t^(1 − τ/η).
 * In the first iteration (π_t = π_ref), and for τ = η in all of them, it is IPO with β = η.
 *
 * Metrics: `margin`, the mean of h; `accuracy`, the share of h > 0.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Zhang et al. 2025, arXiv:2407.00617, algorithm 1
 */
export function inpo({ eta = 0.005, tau = eta / 3 }: InpoOptions = {}): Loss<InpoInputs> {
  expectPositive('inpo', 'eta', eta);
  if (!(tau >= 0 && tau <= eta)) throw new OptionError('inpo', 'tau', `in [0, ${eta}], which is eta`, tau);
  const pull = tau / eta;

  return (inputs, { sequences } = {}) => {
    const { chosenLogProbs, rejectedLogProbs } = inputs;
    expectShape('inpo', 'chosenLogProbs', chosenLogProbs, ['B']);
    const { refChosenLogProbs, refRejectedLogProbs, oldChosenLogProbs, oldRejectedLogProbs } = inputs;
    const known = { refChosenLogProbs, refRejectedLogProbs, oldChosenLogProbs, oldRejectedLogProbs };
    expectSameShape('inpo', { chosenLogProbs, rejectedLogProbs, ...known });
    return tf.tidy(() => {
      const ref = tf.mul(tf.sub(refChosenLogProbs, refRejectedLogProbs), pull);
      const old = tf.mul(tf.sub(oldChosenLogProbs, oldRejectedLogProbs), 1 - pull);
      const h = tf.sub(tf.sub(tf.sub(chosenLogProbs, rejectedLogProbs), ref), old);
      const constant = stopGradient(h);
      const mean = (x: tf.Tensor): tf.Scalar => tf.divNoNan<tf.Scalar>(tf.sum(x), h.size);
      return {
        loss: tf.div<tf.Scalar>(tf.sum(tf.square(tf.sub(h, 1 / (2 * eta)))), sequences ?? Math.max(h.size, 1)),
        metrics: { margin: mean(constant), accuracy: mean(tf.cast(tf.greater(constant, 0), 'float32')) },
      };
    });
  };
}

export const inpoEntry: LossEntry<InpoInputs> = {
  name: 'inpo',
  formula: '(h − 1 / (2 η))², h = Δ (log π − τ/η log π_ref − (1 − τ/η) log π_t)',
  citation: 'arXiv:2407.00617',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: (shape, rng) => ({
    chosenLogProbs: drawSequences(shape, drawLogProb(rng)),
    rejectedLogProbs: drawSequences(shape, drawLogProb(rng)),
    refChosenLogProbs: drawSequences(shape, drawLogProb(rng)),
    refRejectedLogProbs: drawSequences(shape, drawLogProb(rng)),
    oldChosenLogProbs: drawSequences(shape, drawLogProb(rng)),
    oldRejectedLogProbs: drawSequences(shape, drawLogProb(rng)),
  }),
  evaluate: inpo({ eta: 0.5 }),
};
