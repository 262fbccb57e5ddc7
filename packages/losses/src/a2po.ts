import * as tf from '@tensorflow/tfjs-core';
import { DataError, type Grid, ShapeError } from '@tsrl/core';
import { expectSameShape, expectShape, type Loss, type PerSequence, stopGradient } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawSequences } from './example.js';
import { expectPositive } from './option-checks.js';

/** Options of `a2po`. */
export interface A2poOptions {
  /** β₂ > 0, the regularization of the regression; default 1e-3. */
  readonly beta?: number;
}

/** Inputs of `a2po`, all [B]. */
export interface A2poInputs {
  /** log π(y | x), summed over tokens, differentiable. */
  readonly logProbs: PerSequence;
  /** log π_ref(y | x), constant. */
  readonly refLogProbs: PerSequence;
  /** R(x, y), constant. */
  readonly rewards: PerSequence;
  /** V*(x), constant: see `optimalValues`. */
  readonly optimalValues: PerSequence;
}

/**
 * A*-PO: least squares on the advantage under the optimal policy of the KL-regularized problem.
 *
 *   loss = (1 / N) Σ (β₂ (logProbs − refLogProbs) − (R − V*))²,  N = B, or `context.sequences`
 *
 * One response of the policy per prompt is enough: V* comes from samples of the reference, once before training.
 * The gradient is 2 β₂ (β₂ log π / π_ref − (R − V*)) / N.
 *
 * Metrics: `advantage`, the mean of R − V*; `logRatio`, the mean of logProbs − refLogProbs.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Brantley et al. 2025, arXiv:2505.20686, algorithm 1
 */
export function a2po({ beta = 1e-3 }: A2poOptions = {}): Loss<A2poInputs> {
  expectPositive('a2po', 'beta', beta);
  return ({ logProbs, refLogProbs, rewards, optimalValues: values }, { sequences } = {}) => {
    expectShape('a2po', 'logProbs', logProbs, ['B']);
    expectSameShape('a2po', { logProbs, refLogProbs, rewards, optimalValues: values });
    return tf.tidy(() => {
      const logRatio = tf.sub<PerSequence>(logProbs, refLogProbs);
      const advantages = tf.sub<PerSequence>(rewards, values);
      const errors = tf.squaredDifference(tf.mul(logRatio, beta), advantages);
      const mean = (x: tf.Tensor): tf.Scalar => tf.divNoNan<tf.Scalar>(tf.sum(x), logProbs.size);
      return {
        loss: tf.div<tf.Scalar>(tf.sum(errors), sequences ?? Math.max(logProbs.size, 1)),
        metrics: { advantage: mean(advantages), logRatio: mean(stopGradient(logRatio)) },
      };
    });
  };
}

/** Options of `optimalValues`. */
export interface OptimalValuesOptions {
  /** β₁ > 0, default 0.5; towards 0 the value is the best reward, towards ∞ the mean. */
  readonly beta?: number;
}

/**
 * V*(x) of each prompt from the rewards of n responses of the reference policy, [prompts, n] → [prompts]:
 *
 *   V* = β₁ log((1 / n) Σ_i exp(R_i / β₁))
 *
 * @throws OptionError unless β₁ is positive, ShapeError for a grid without columns, DataError for a reward that is not
 *   finite
 * @see Brantley et al. 2025, arXiv:2505.20686, equation 4
 */
export function optimalValues(rewards: Grid, { beta = 0.5 }: OptimalValuesOptions = {}): Float64Array {
  expectPositive('optimalValues', 'beta', beta);
  const { rows, columns, data } = rewards;
  if (columns < 1 || data.length !== rows * columns) {
    const expected = '[prompts, n], n at least 1';
    throw new ShapeError('optimalValues', 'rewards', expected, `[${rows}, ${columns}] with ${data.length} numbers`);
  }
  return Float64Array.from({ length: rows }, (_, row) => {
    const own = data.subarray(row * columns, (row + 1) * columns);
    const wild = own.find((reward) => !Number.isFinite(reward));
    if (wild !== undefined) throw new DataError('optimalValues', `rewards must be finite; got ${wild} in row ${row}`);
    const best = own.reduce((most, reward) => Math.max(most, reward));
    return best + beta * Math.log(own.reduce((sum, reward) => sum + Math.exp((reward - best) / beta), 0) / columns);
  });
}

export const a2poEntry: LossEntry<A2poInputs> = {
  name: 'a2po',
  formula: '(β log π / π_ref − (R − V*))²',
  citation: 'arXiv:2505.20686',
  per: 'example',
  differentiable: ['logProbs'],
  example: (shape, rng) => ({
    logProbs: drawSequences(shape, drawLogProb(rng)),
    refLogProbs: drawSequences(shape, drawLogProb(rng)),
    rewards: drawSequences(shape, () => rng.normal()),
    optimalValues: drawSequences(shape, () => rng.normal()),
  }),
  evaluate: a2po({ beta: 0.5 }),
};
