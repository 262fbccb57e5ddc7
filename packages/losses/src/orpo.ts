import * as tf from '@tensorflow/tfjs-core';
import { type Aggregate, type Loss, type PerSequence, sequenceMean, stopGradient } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { imitation } from './imitation.js';
import { log1mexp } from './log1mexp.js';
import { expectNonNegative } from './option-checks.js';
import {
  drawLengths,
  drawPairLogProbs,
  expectLengths,
  expectPairs,
  type PairLengths,
  type PairLogProbs,
  pairResult,
  perLength,
} from './pair.js';

/** Inputs of `orpo` and `oddsRatio`: sums over the responses, and their lengths. */
export interface OrpoInputs extends PairLogProbs, PairLengths {}

/** Options of `orpo`. */
export interface OrpoOptions {
  /** λ ≥ 0: weight of the odds ratio, default 0.1. */
  readonly lambda?: number;
  /** How the imitation of responses becomes one number: `sequenceMean` (default), `tokenMean`, `sequenceSum`, … */
  readonly aggregate?: Aggregate;
}

/**
 * How much likelier it is that the chosen response is written than not, against the same of the rejected one:
 *
 *   l = log π(y) / n, at most −1e-7,  log odds(y) = l − log(1 − exp(l))
 *   loss = mean over pairs of softplus(−(log odds(y_w) − log odds(y_l)))
 *
 * Gradient in l_w: −sigmoid(−log OR) / (1 − exp(l_w)). ORPO is this with a weight beside imitation.
 *
 * Differences: TRL's `odds_ratio_loss` returns β log sigmoid(log OR), which it maximizes, and has no bound of −1e-7.
 *
 * Metrics: those of `dpo` with rewards log π / n, and `logOddsRatio`, its mean.
 *
 * @throws ShapeError when called
 * @see Hong, Lee and Thorne 2024, arXiv:2403.07691, equations 4 and 7
 */
export function oddsRatio(): Loss<OrpoInputs> {
  return (inputs, context = {}) => {
    expectPairs('oddsRatio', inputs);
    expectLengths('oddsRatio', inputs);
    return tf.tidy(() => {
      const chosen = perLength(inputs.chosenLogProbs, inputs.chosenLengths);
      const rejected = perLength(inputs.rejectedLogProbs, inputs.rejectedLengths);
      const ratio = tf.sub<PerSequence>(logOdds(chosen), logOdds(rejected));
      const losses = tf.softplus<PerSequence>(tf.neg(ratio));
      const { loss, metrics } = pairResult(losses, inputs, context, { beta: 1, chosen, rejected });
      return { loss, metrics: { ...metrics, logOddsRatio: tf.mean<tf.Scalar>(stopGradient(ratio)) } };
    });
  };
}

function logOdds(meanLogProbs: PerSequence): PerSequence {
  const below = tf.minimum<PerSequence>(meanLogProbs, -1e-7);
  return tf.sub<PerSequence>(below, log1mexp(below));
}

/**
 * Odds ratio preference optimization: supervised fine-tuning on the chosen responses, and the odds ratio against the
 * rejected ones, in one stage without a reference.
 *
 *   loss = NLL(y_w) + λ · oddsRatio
 *
 * The imitation is the mean over pairs of −log π(y_w) / n_w unless `aggregate` says otherwise (`weights` do not enter it).
 *
 * Differences: TRL's imitation covers prompt and response and is the mean over all tokens of the batch: that is
 * `objective({ imitation: negativeLogLikelihood(), odds: scale(0.1, oddsRatio()) })`. TRL calls λ `beta` and logs
 * rewards λ log π / n.
 *
 * Metrics: those of `oddsRatio`, and `imitation` (NLL).
 *
 * @throws OptionError when built, ShapeError when called
 * @see Hong, Lee and Thorne 2024, arXiv:2403.07691, equation 6
 */
export function orpo({ lambda = 0.1, aggregate = sequenceMean }: OrpoOptions = {}): Loss<OrpoInputs> {
  expectNonNegative('orpo', 'lambda', lambda);
  const odds = oddsRatio();
  return (inputs, context = {}) => {
    expectPairs('orpo', inputs);
    expectLengths('orpo', inputs);
    return tf.tidy(() => {
      const { loss, metrics } = odds(inputs, context);
      const nll = imitation(aggregate, inputs.chosenLogProbs, inputs.chosenLengths, context);
      return { loss: tf.add<tf.Scalar>(nll, tf.mul(loss, lambda)), metrics: { ...metrics, imitation: nll } };
    });
  };
}

const drawOrpo: LossEntry<OrpoInputs>['example'] = (shape, rng) => ({
  ...drawPairLogProbs(shape, rng),
  ...drawLengths(shape, rng),
});

export const oddsRatioEntry: LossEntry<OrpoInputs> = {
  name: 'oddsRatio',
  formula: 'softplus(−(log odds(y_w) − log odds(y_l))), log odds = l − log(1 − exp(l)), l = log π / n',
  citation: 'arXiv:2403.07691',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: drawOrpo,
  evaluate: oddsRatio(),
};

export const orpoEntry: LossEntry<OrpoInputs> = {
  name: 'orpo',
  formula: 'NLL(y_w) + λ softplus(−log odds ratio)',
  citation: 'arXiv:2403.07691',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: drawOrpo,
  evaluate: orpo(),
};
