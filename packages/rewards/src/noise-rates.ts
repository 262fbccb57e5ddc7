import { OptionError, sigmoid } from '@tsrl/core';

/** How often labels are wrong: class-conditional noise, the same for every example of a class. */
export interface NoiseRates {
  /** e₀ = P(observed 1 | true 0), in [0, 1). */
  readonly falsePositive: number;
  /** e₁ = P(observed 0 | true 1), in [0, 1). With e₀ it must sum to less than 1. */
  readonly falseNegative: number;
}

/** [e₀, e₁], checked. */
export function ratesOf(who: string, { falsePositive, falseNegative }: NoiseRates): readonly [number, number] {
  for (const [name, rate] of Object.entries({ falsePositive, falseNegative })) {
    if (!(rate >= 0 && rate < 1)) throw new OptionError(who, name, 'in [0, 1)', rate);
  }
  const sum = falsePositive + falseNegative;
  if (!(sum < 1)) {
    const expected = 'less than 1, for beyond that the observed label says the opposite of the true one';
    throw new OptionError(who, 'falsePositive + falseNegative', expected, sum);
  }
  return [falsePositive, falseNegative];
}

/**
 * The probability that an observed label is 1, from the probability p that the true one is: forward correction.
 *
 *   P(observed 1 | x) = (1 − e₁) p + e₀ (1 − p)
 *
 * A line from e₀ at p = 0 to 1 − e₁ at p = 1. What a model of the true labels is to be compared with, where only
 * observed ones are known: its cross-entropy with the observed labels is smallest, in the mean, at the true p.
 *
 * @throws OptionError unless both rates are in [0, 1) and sum to less than 1, or for a p outside [0, 1]
 * @see Patrini et al. 2017, arXiv:1609.03683, theorem 2
 */
export function observedProbability(p: number, rates: NoiseRates): number {
  const [e0, e1] = ratesOf('observedProbability', rates);
  if (!(p >= 0 && p <= 1)) throw new OptionError('observedProbability', 'p', 'in [0, 1]', p);
  return (1 - e1) * p + e0 * (1 - p);
}

/**
 * The probability that the true label is 1 after the observed one has been seen, by Bayes' rule:
 *
 *   P(1 | observed) = sigmoid(prior log-odds + log(P(observed | 1) / P(observed | 0)))
 *
 * where the evidence is log((1 − e₁) / e₀) for an observed 1 and log(e₁ / (1 − e₀)) for an observed 0. In log-odds
 * nothing is divided by 0: without false positives an observed 1 is certain, whatever the prior.
 *
 * @param priorLogit log-odds of a true 1 before the label is seen, finite
 * @throws OptionError unless both rates are in [0, 1) and sum to less than 1
 */
export function cleanPosterior(observed: 0 | 1, priorLogit: number, rates: NoiseRates): number {
  const [e0, e1] = ratesOf('cleanPosterior', rates);
  return sigmoid(priorLogit + evidence(e0, e1)[observed]);
}

/** What an observed 0 and an observed 1 add to the log-odds of a true 1. */
export const evidence = (e0: number, e1: number): readonly [number, number] => [
  Math.log(e1) - Math.log1p(-e0),
  Math.log1p(-e1) - Math.log(e0),
];
