import { DataError, expectLength } from '@tsrl/core';
import { cleanPosterior, type NoiseRates, ratesOf } from './noise-rates.js';

/** Inputs of {@link posteriorLabels}, both [N]. */
export interface ObservedLabels {
  /** Observed labels, 0 or 1. */
  readonly labels: ArrayLike<number>;
  /** P(observed 1 | x), by a model of the observed labels that did not see the label of that example: cross-validation. */
  readonly probabilities: ArrayLike<number>;
}

/** What no model is surer of: a prior of 0 or 1 would hear no label. */
const EPSILON = 1e-6;

/**
 * Labels as they are believed under class-conditional noise: the probability that each true label is 1, after the text
 * and its observed label have been seen,
 *
 *   p_i = (P(observed 1 | x_i) − e₀) / (1 − e₀ − e₁), held in [1e-6, 1 − 1e-6]
 *   q_i = P(true 1 | observed ỹ_i, x_i) = P(ỹ_i | 1) p_i / (P(ỹ_i | 1) p_i + P(ỹ_i | 0) (1 − p_i))
 *
 * The first line turns `observedProbability` around: it makes a model of the observed labels one of the true ones. A
 * probability outside [e₀, 1 − e₁] cannot come from such noise, and is taken for the nearest that can. The second line is
 * `cleanPosterior`. Without noise the labels stay as they are; the mean of q over the observed label of a text is p.
 *
 * They are labels between 0 and 1, for losses and rewards that are lines in the label: the expected loss, or reward, of
 * the true label. The probabilities must be those of the data as they come: of a model that weighed the classes alike,
 * multiply the odds by N₁ / N₀ first.
 *
 * @returns [N], in [0, 1]
 * @throws ShapeError when the lengths differ; DataError for a label other than 0 and 1 or a probability outside [0, 1];
 *   OptionError unless both rates are in [0, 1) and sum to less than 1
 * @see Patrini et al. 2017, arXiv:1609.03683, for the noise model; the rest is Bayes' rule
 */
export function posteriorLabels({ labels, probabilities }: ObservedLabels, rates: NoiseRates): Float64Array {
  const who = 'posteriorLabels';
  const [e0, e1] = ratesOf(who, rates);
  expectLength(who, 'probabilities', probabilities, labels.length);
  return Float64Array.from({ length: labels.length }, (_, i) => {
    const label = labels[i];
    const observed = probabilities[i] as number;
    if (label !== 0 && label !== 1) throw new DataError(who, `labels[${i}] must be 0 or 1; got ${label}`);
    if (!(observed >= 0 && observed <= 1)) {
      throw new DataError(who, `probabilities[${i}] must be in [0, 1]; got ${observed}`);
    }
    const p = Math.min(Math.max((observed - e0) / (1 - e0 - e1), EPSILON), 1 - EPSILON);
    return cleanPosterior(label, Math.log(p) - Math.log1p(-p), rates);
  });
}
