import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { expectSameShape, type Loss, type PerSequence, sequenceMean } from '@tsrl/tensor';
import { dpo } from './dpo.js';
import type { LossEntry } from './entry.js';
import { imitation } from './imitation.js';
import { expectNonNegative, expectPositive } from './option-checks.js';
import { drawLengths, drawPairs, expectPairs, type PairInputs, type PairLengths } from './pair.js';

/** Options of `dpoWithSft`. */
export interface DpoWithSftOptions {
  /** β > 0, default 0.01. */
  readonly beta?: number;
  /** η ≥ 0: weight of the imitation, default 0.005. The two reductions are a factor of about β n apart. */
  readonly eta?: number;
  /** `sum` (default): β η · −log π(y_w). */
  readonly sftReduction?: 'sum';
}

/** Options of `dpoWithSft` with the mean log-prob of tokens. */
export interface DpoWithMeanSftOptions extends Omit<DpoWithSftOptions, 'sftReduction' | 'eta'> {
  /** η ≥ 0; 0.2 at β = 0.5 in the second released variant. */
  readonly eta: number;
  /** `tokenMean`: η · −log π(y_w) / length, which the type of the inputs then requires. */
  readonly sftReduction: 'tokenMean';
}

/**
 * DPO and imitation of the chosen responses ("regularized preference optimization"): an adversarial reward model leaves
 * this much pessimism about what the preferences do not cover.
 *
 *   loss = dpo + β η · mean over pairs of −log π(y_w)            (`sum`)
 *   loss = dpo + η · mean over pairs of −log π(y_w) / length     (`tokenMean`)
 *
 * Even where the preference is satisfied, the gradient in log π(y_w) stays at −β η or beyond. η = 0 is DPO. `weights`
 * weigh the DPO term only.
 *
 * Differences: both variants are of the authors' released code. TRL has `["sigmoid", "sft"]` with weights [1, 0.005],
 * whose imitation is the mean over all chosen tokens of the batch: `objective({ dpo: dpo(), sft: scale(0.005,
 * negativeLogLikelihood()) })`.
 *
 * Metrics: those of `dpo`, and `imitation` (before its weight).
 *
 * @throws OptionError when built, ShapeError when called
 * @see Liu et al. 2024, arXiv:2405.16436
 */
export function dpoWithSft(options: DpoWithMeanSftOptions): Loss<PairInputs & Pick<PairLengths, 'chosenLengths'>>;
export function dpoWithSft(options?: DpoWithSftOptions): Loss<PairInputs>;
export function dpoWithSft({
  beta = 0.01,
  eta = 0.005,
  sftReduction = 'sum',
}: DpoWithSftOptions | DpoWithMeanSftOptions = {}): Loss<PairInputs & Pick<PairLengths, 'chosenLengths'>> {
  const who = 'dpoWithSft';
  expectPositive(who, 'beta', beta);
  expectNonNegative(who, 'eta', eta);
  if (sftReduction !== 'sum' && sftReduction !== 'tokenMean') {
    throw new OptionError(who, 'sftReduction', "'sum' or 'tokenMean'", sftReduction);
  }
  const preference = dpo({ beta });
  return ({ chosenLengths, ...pairs }, context = {}) => {
    const { chosenLogProbs } = pairs;
    expectPairs(who, pairs);
    if (sftReduction === 'tokenMean') expectSameShape(who, { chosenLogProbs, chosenLengths });
    return tf.tidy(() => {
      const { loss, metrics } = preference(pairs, context);
      const perSequence = (x: PerSequence): tf.Scalar =>
        tf.neg(tf.div<tf.Scalar>(tf.sum(x), context.sequences ?? x.size));
      const nll =
        sftReduction === 'sum'
          ? perSequence(chosenLogProbs)
          : imitation(sequenceMean, chosenLogProbs, chosenLengths, context);
      const weight = sftReduction === 'sum' ? beta * eta : eta;
      return { loss: tf.add<tf.Scalar>(loss, tf.mul(nll, weight)), metrics: { ...metrics, imitation: nll } };
    });
  };
}

export const dpoWithSftEntry: LossEntry<PairInputs & PairLengths> = {
  name: 'dpoWithSft',
  formula: 'softplus(−β (r_w − r_l)) − β η log π(y_w), r = log π − log π_ref',
  citation: 'arXiv:2405.16436',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: (shape, rng) => ({ ...drawPairs(shape, rng), ...drawLengths(shape, rng) }),
  evaluate: dpoWithSft(),
  variants: { 'with means of tokens': dpoWithSft({ beta: 0.5, eta: 0.2, sftReduction: 'tokenMean' }) },
};
