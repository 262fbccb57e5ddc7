import * as tf from '@tensorflow/tfjs-core';
import { type Aggregate, expectSameShape, type Loss, type PerSequence, sequenceMean } from '@tsrl/tensor';
import { dpo } from './dpo.js';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawSequences } from './example.js';
import { imitation } from './imitation.js';
import { expectNonNegative, expectPositive, expectSmoothing } from './option-checks.js';
import {
  drawLengths,
  drawPairLogProbs,
  expectLengths,
  expectPairs,
  type PairLengths,
  type PairLogProbs,
} from './pair.js';
import { referenceFree } from './reference-free.js';
import { type SimpoInputs, simpo } from './simpo.js';

/** Options of `tpo`. */
export interface TpoOptions {
  /** β > 0, default 0.01. */
  readonly beta?: number;
  /** ε in [0, 0.5), default 0, as in `dpo`. */
  readonly labelSmoothing?: number;
  /** α ≥ 0: weight of the imitation of the gold responses, default 1. */
  readonly imitationWeight?: number;
  /** How the imitation of responses becomes one number: `sequenceMean` (default), `tokenMean`, `sequenceSum`, … */
  readonly aggregate?: Aggregate;
}

/** Options of `tpoL`. */
export interface TpoLOptions extends TpoOptions {
  /** γ ≥ 0: the margin that a pair shall have, default 0.5. */
  readonly gamma?: number;
}

/** A third response to each prompt, better than both of the pair. */
export interface GoldInputs {
  /** log π(y_g | x), summed over the tokens of the response, [B], differentiable. */
  readonly goldLogProbs: PerSequence;
  /** Tokens of it, float32 [B], constant. */
  readonly goldLengths: PerSequence;
}

/** Inputs of `tpo`. */
export interface TpoInputs extends PairLogProbs, GoldInputs {}

/** Inputs of `tpoL`. */
export interface TpoLInputs extends SimpoInputs, GoldInputs {}

/**
 * Triple preference optimization: preference between two responses without a reference, and imitation of a third, the
 * gold one.
 *
 *   x = β (log π(y_w) − log π(y_l)),  loss = mean over pairs of ((1 − ε) softplus(−x) + ε softplus(x)) + α · NLL(y_g)
 *
 * The imitation is the mean over prompts of −log π(y_g) / n_g unless `aggregate` says otherwise (`weights` do not enter
 * it). With the chosen response as the gold one it is `cpo`.
 *
 * Differences: TRL averages the imitation over all gold tokens of the batch (`aggregate: tokenMean`).
 *
 * Metrics: those of `dpo`, with rewards β log π, and `imitation` (NLL, before its weight).
 *
 * @throws OptionError when built, ShapeError when called
 * @see Saeidi et al. 2024, arXiv:2405.16681
 */
export function tpo({ beta = 0.01, labelSmoothing = 0, ...options }: TpoOptions = {}): Loss<TpoInputs> {
  const who = 'tpo';
  expectPositive(who, 'beta', beta);
  expectSmoothing(who, 'labelSmoothing', labelSmoothing);
  const preference = referenceFree(dpo({ beta, labelSmoothing }));
  return withGold(who, preference, (inputs) => expectPairs(who, inputs), options);
}

/**
 * `tpo` with `simpo` for its preference: mean log-probs and a target margin.
 *
 *   x = β (log π(y_w) / n_w − log π(y_l) / n_l) − γ,  and the rest as in `tpo`
 *
 * Differences: TRL's `tpo-l`, up to the mean over gold tokens. Metrics: those of `simpo`, and `imitation`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Saeidi et al. 2024, arXiv:2405.16681
 */
export function tpoL({ beta = 0.01, gamma = 0.5, labelSmoothing = 0, ...options }: TpoLOptions = {}): Loss<TpoLInputs> {
  const who = 'tpoL';
  expectPositive(who, 'beta', beta);
  expectNonNegative(who, 'gamma', gamma);
  expectSmoothing(who, 'labelSmoothing', labelSmoothing);
  const expectInputs = (inputs: SimpoInputs): void => {
    expectPairs(who, inputs);
    expectLengths(who, inputs);
  };
  return withGold(who, simpo({ beta, gamma, labelSmoothing }), expectInputs, options);
}

function withGold<Inputs extends PairLogProbs>(
  who: string,
  preference: Loss<Inputs>,
  expectInputs: (inputs: Inputs) => void,
  { imitationWeight = 1, aggregate = sequenceMean }: TpoOptions,
): Loss<Inputs & GoldInputs> {
  expectNonNegative(who, 'imitationWeight', imitationWeight);
  return (inputs, context = {}) => {
    expectInputs(inputs);
    const { chosenLogProbs, goldLogProbs, goldLengths } = inputs;
    expectSameShape(who, { chosenLogProbs, goldLogProbs, goldLengths });
    return tf.tidy(() => {
      const { loss, metrics } = preference(inputs, context);
      const nll = imitation(aggregate, goldLogProbs, goldLengths, context);
      return { loss: tf.add<tf.Scalar>(loss, tf.mul(nll, imitationWeight)), metrics: { ...metrics, imitation: nll } };
    });
  };
}

const drawTriples = (...[shape, rng]: Parameters<LossEntry['example']>): TpoInputs & PairLengths => ({
  ...drawPairLogProbs(shape, rng),
  ...drawLengths(shape, rng),
  goldLogProbs: drawSequences(shape, drawLogProb(rng)),
  goldLengths: drawSequences(shape, () => 1 + Math.floor(shape.tokens * rng.uniform())),
});

export const tpoEntry: LossEntry<TpoInputs> = {
  name: 'tpo',
  formula: 'softplus(−β (log π(y_w) − log π(y_l))) + α NLL(y_gold)',
  citation: 'arXiv:2405.16681',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs', 'goldLogProbs'],
  example: drawTriples,
  evaluate: tpo(),
};

export const tpoLEntry: LossEntry<TpoLInputs> = {
  name: 'tpoL',
  formula: 'softplus(γ − β (log π(y_w) / n_w − log π(y_l) / n_l)) + α NLL(y_gold)',
  citation: 'arXiv:2405.16681',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs', 'goldLogProbs'],
  example: drawTriples,
  evaluate: tpoL(),
};
