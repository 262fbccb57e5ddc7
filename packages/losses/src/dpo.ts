import * as tf from '@tensorflow/tfjs-core';
import type { Loss, PerSequence } from '@tsrl/tensor';
import type { Divergence } from './divergence.js';
import type { LossEntry } from './entry.js';
import { expectSmoothing } from './option-checks.js';
import {
  drawLengths,
  drawPairs,
  normalizedPairLoss,
  type PairInputs,
  type PairLengths,
  pairLoss,
  smoothedLogistic,
} from './pair.js';

/** Options of `dpo` and `cdpo`. */
export interface DpoOptions {
  /** β > 0, default 0.1. */
  readonly beta?: number;
  /** ε in [0, 0.5), default 0: the share of pairs that are believed to be labelled the wrong way round. */
  readonly labelSmoothing?: number;
  /** What keeps the policy near its reference; default `reverseKl`. */
  readonly divergence?: Divergence;
  readonly lengthNormalize?: false;
}

/** Options of `dpo` and `cdpo` with scores per token. */
export interface NormalizedDpoOptions extends Omit<DpoOptions, 'lengthNormalize'> {
  /** Divides the score of a response by its length, which the type of the inputs then requires. */
  readonly lengthNormalize: true;
}

/**
 * Direct preference optimization: the Bradley-Terry likelihood of the preferences under the reward that the policy
 * implies.
 *
 *   r = s(log π − log π_ref),  x = β (r_w − r_l)
 *   loss = (1 / N) Σ weight ((1 − ε) softplus(−x) + ε softplus(x)),  N = B, or `context.sequences`
 *
 * with s(r) = r (`divergence` has others), and r / length with `lengthNormalize`. Gradient in x: ε − sigmoid(−x). With
 * ε > 0 this is conservative DPO (`cdpo`): its minimum is at x = log((1 − ε) / ε), not at infinity.
 *
 * Differences: TRL calls it `sigmoid` and ignores the label smoothing since 2026; with `lengthNormalize` it is TRL's
 * `sigmoid_norm` (Tülu 3). The implicit rewards of the metrics are β (log π − log π_ref) whatever the divergence and the
 * lengths, as in TRL.
 *
 * Metrics, means over the pairs without their weights: `chosenReward`, `rejectedReward`, `margin` (their difference),
 * `accuracy` (share of pairs whose chosen reward is the larger one; a tie is not).
 *
 * @throws OptionError when built, ShapeError when called
 * @see Rafailov et al. 2023, arXiv:2305.18290, equation 7; smoothing: Mitchell 2023, "A note on DPO with noisy
 *   preferences"; lengths: Lambert et al. 2024, arXiv:2411.15124
 */
export function dpo(options: NormalizedDpoOptions): Loss<PairInputs & PairLengths>;
export function dpo(options?: DpoOptions): Loss<PairInputs>;
export function dpo({
  labelSmoothing = 0,
  ...options
}: DpoOptions | NormalizedDpoOptions = {}): Loss<PairInputs & PairLengths> {
  return logistic('dpo', { ...options, labelSmoothing });
}

/**
 * Conservative DPO: `dpo` with label smoothing on, 0.1 by default. Unlike `rdpo` it is no unbiased estimate of the loss
 * under clean labels: it asks for a margin of log((1 − ε) / ε) and no more.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Mitchell 2023, "A note on DPO with noisy preferences"; on Rafailov et al. 2023, arXiv:2305.18290
 */
export function cdpo(options: NormalizedDpoOptions): Loss<PairInputs & PairLengths>;
export function cdpo(options?: DpoOptions): Loss<PairInputs>;
export function cdpo({
  labelSmoothing = 0.1,
  ...options
}: DpoOptions | NormalizedDpoOptions = {}): Loss<PairInputs & PairLengths> {
  return logistic('cdpo', { ...options, labelSmoothing });
}

function logistic(
  who: string,
  { beta = 0.1, labelSmoothing = 0, divergence, lengthNormalize = false }: DpoOptions | NormalizedDpoOptions,
): Loss<PairInputs & PairLengths> {
  expectSmoothing(who, 'labelSmoothing', labelSmoothing);
  const build = lengthNormalize ? normalizedPairLoss : pairLoss;
  return build(who, { beta, divergence }, (chosen, rejected) =>
    smoothedLogistic(tf.mul<PerSequence>(tf.sub(chosen, rejected), beta), labelSmoothing),
  );
}

export const dpoEntry: LossEntry<PairInputs & PairLengths> = {
  name: 'dpo',
  formula: 'softplus(−β (r_w − r_l)), r = log π − log π_ref',
  citation: 'arXiv:2305.18290',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: (shape, rng) => ({ ...drawPairs(shape, rng), ...drawLengths(shape, rng) }),
  evaluate: dpo(),
  variants: { 'length-normalized': dpo({ lengthNormalize: true }) },
};

export const cdpoEntry: LossEntry<PairInputs> = {
  name: 'cdpo',
  formula: 'softplus(−x) + ε x, x = β (r_w − r_l)',
  citation: 'arXiv:2305.18290',
  per: 'example',
  differentiable: ['chosenLogProbs', 'rejectedLogProbs'],
  example: drawPairs,
  evaluate: cdpo(),
};
