import * as tf from '@tensorflow/tfjs-core';
import { type Aggregate, expectSameShape, type Loss, sequenceMean, sequenceSum } from '@tsrl/tensor';
import { dpo } from './dpo.js';
import type { LossEntry } from './entry.js';
import { imitation } from './imitation.js';
import { expectNonNegative, expectPositive, expectSmoothing } from './option-checks.js';
import { drawLengths, drawPairLogProbs, expectPairs, type PairLengths, type PairLogProbs } from './pair.js';
import { referenceFree } from './reference-free.js';

/** Options of `cpo`. */
export interface CpoOptions {
  /** β > 0, default 0.1. */
  readonly beta?: number;
  /** ε in [0, 0.5), default 0, as in `dpo`. */
  readonly labelSmoothing?: number;
  /** c ≥ 0: weight of the imitation of the chosen responses, default 1. */
  readonly imitationWeight?: number;
  /** How the imitation of responses becomes one number: `sequenceMean` (default), `tokenMean`, `sequenceSum`, … */
  readonly aggregate?: Aggregate;
}

/** Inputs of `cpo`. */
export interface CpoInputs extends PairLogProbs, Pick<PairLengths, 'chosenLengths'> {}

/**
 * Contrastive preference optimization: DPO without a reference, and imitation of the chosen responses in its place.
 *
 *   x = β (log π(y_w) − log π(y_l))
 *   loss = mean over pairs of ((1 − ε) softplus(−x) + ε softplus(x)) + c · NLL(y_w)
 *
 * The log-probs are sums over the response; the imitation is the mean over pairs of −log π(y_w) / length unless
 * `aggregate` says otherwise (`weights` do not enter it).
 *
 * Differences: TRL averages the imitation over all chosen tokens of the batch (`aggregate: tokenMean`); the paper writes
 * −log π(y_w), which is `sequenceSum`. TRL's further types are compositions: `hinge` and `ipo` are
 * `referenceFree(hinge())` and `referenceFree(ipo({ lengthNormalize: true }))`, beside an imitation term in an
 * `objective`; `simpo` and AlphaPO are functions of their own.
 *
 * Metrics: those of `dpo`, with rewards β log π, and `imitation` (NLL, before its weight).
 *
 * @throws OptionError when built, ShapeError when called
 * @see Xu et al. 2024, arXiv:2401.08417, section 3
 */
export function cpo({
  beta = 0.1,
  labelSmoothing = 0,
  imitationWeight = 1,
  aggregate = sequenceMean,
}: CpoOptions = {}): Loss<CpoInputs> {
  expectPositive('cpo', 'beta', beta);
  expectSmoothing('cpo', 'labelSmoothing', labelSmoothing);
  expectNonNegative('cpo', 'imitationWeight', imitationWeight);
  const preference = referenceFree(dpo({ beta, labelSmoothing }));
  return ({ chosenLengths, ...pairs }, context = {}) => {
    const { chosenLogProbs } = pairs;
    expectPairs('cpo', pairs);
    expectSameShape('cpo', { chosenLogProbs, chosenLengths });
    return tf.tidy(() => {
      const { loss, metrics } = preference(pairs, context);
      const nll = imitation(aggregate, chosenLogProbs, chosenLengths, context);
      return { loss: tf.add<tf.Scalar>(loss, tf.mul(nll, imitationWeight)), metrics: { ...metrics, imitation: nll } };
    });
  };
}

export const cpoEntry: LossEntry<CpoInputs> = {
  name: 'cpo',
  formula: 'softplus(−β (log π(y_w) − log π(y_l))) + c NLL(y_w)',
  citation: 'arXiv:2401.08417',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: (shape, rng) => ({ ...drawPairLogProbs(shape, rng), ...drawLengths(shape, rng) }),
  evaluate: cpo(),
  variants: { 'with the imitation of sums': cpo({ aggregate: sequenceSum }) },
};
