import * as tf from '@tensorflow/tfjs-core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import type { Divergence } from './divergence.js';
import type { LossEntry } from './entry.js';
import { drawLengths, drawPairs, normalizedPairLoss, type PairInputs, type PairLengths, pairLoss } from './pair.js';

/** Options of `ipo`. */
export interface IpoOptions {
  /** β > 0, the paper's τ; default 0.1. */
  readonly beta?: number;
  /** What keeps the policy near its reference; default `reverseKl`. */
  readonly divergence?: Divergence;
  readonly lengthNormalize?: false;
}

/** Options of `ipo` with scores per token. */
export interface NormalizedIpoOptions extends Omit<IpoOptions, 'lengthNormalize'> {
  /** Divides the score of a response by its length, which the type of the inputs then requires. */
  readonly lengthNormalize: true;
}

/**
 * Identity preference optimization: a squared error that asks for a margin and no more, so that preferences without
 * exception do not drive the policy away from its reference.
 *
 *   loss = mean over pairs of (r_w − r_l − 1 / (2 β))²,  r = log π − log π_ref, over the length with `lengthNormalize`
 *
 * Gradient in r_w: 2 (r_w − r_l − 1 / (2 β)). Over all pairs of a finite set of responses, drawn independently from μ,
 * its minimum is at π ∝ π_ref exp(E_μ[P(y beats y')] / β).
 *
 * Differences: TRL and HALOs divide by the lengths, which is reported there to be the authors' own practice; the paper
 * and the code of DPO do not, and neither does this unless `lengthNormalize`.
 *
 * Metrics: those of `dpo`; the rewards in them are not divided by the lengths.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Azar et al. 2023, arXiv:2310.12036, equation 17
 */
export function ipo(options: NormalizedIpoOptions): Loss<PairInputs & PairLengths>;
export function ipo(options?: IpoOptions): Loss<PairInputs>;
export function ipo({
  beta = 0.1,
  divergence,
  lengthNormalize = false,
}: IpoOptions | NormalizedIpoOptions = {}): Loss<PairInputs & PairLengths> {
  const build = lengthNormalize ? normalizedPairLoss : pairLoss;
  return build('ipo', { beta, divergence }, (chosen, rejected) =>
    tf.square<PerSequence>(tf.sub(tf.sub(chosen, rejected), 1 / (2 * beta))),
  );
}

export const ipoEntry: LossEntry<PairInputs & PairLengths> = {
  name: 'ipo',
  formula: '(r_w − r_l − 1 / (2 β))², r = log π − log π_ref',
  citation: 'arXiv:2310.12036',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: (shape, rng) => ({ ...drawPairs(shape, rng), ...drawLengths(shape, rng) }),
  evaluate: ipo(),
  variants: { 'length-normalized': ipo({ lengthNormalize: true }) },
};
