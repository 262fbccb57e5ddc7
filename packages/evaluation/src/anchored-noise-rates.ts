import { DataError, OptionError } from '@tsrl/core';
import { expectProbabilities } from './binary-data.js';
import type { OutOfFold } from './confident-noise-rates.js';
import { type EstimatedNoiseRates, expectInformative } from './trusted-noise-rates.js';

/** Options of {@link anchoredNoiseRates}. */
export interface AnchorOptions {
  /** Which share of a class is taken for certain, by the number of its observed labels; in (0, 1], default 0.1. */
  readonly share?: number;
  /** How many examples of a class at least, or all that are labelled so; default 20. */
  readonly least?: number;
}

/**
 * The noise rates by anchors: the examples about which a cross-validated model is surest are taken to be of the class
 * that it gives them, and how often their observed label ỹ says otherwise is the noise. With the examples in the order of
 * p₁ and k_j = min(N_j, max(least, round(share · N_j))):
 *
 *   e₀ = mean of ỹ over the k₀ examples of the smallest p₁
 *   e₁ = mean of 1 − ỹ over the k₁ examples of the largest p₁
 *   prior = (N₁ / N − e₀) / (1 − e₀ − e₁)
 *
 * Examples of one p₁ count alike, so that the order of the data plays no part. Only the order of the probabilities is
 * used: the model may be as over-confident as it likes. Exact where the surest examples are of their class; else their
 * honest errors count as noise and the rates are too high, but by the errors among the surest, not among all as with
 * `confidentNoiseRates`: labels alone cannot tell a rare class that overlaps the other from a noisy one. An estimate rests
 * on k_j examples, with standard error √(e (1 − e) / k_j).
 *
 * Differences: Patrini et al. take one example, at the 97th percentile, and the probability that the model gives it; the
 * mean over observed labels needs no calibrated model, and has less variance.
 *
 * @throws ShapeError when the lengths differ; OptionError; DataError for an observed class without an example, a label
 *   other than 0 and 1, a probability outside [0, 1], rates that sum to 1 or more, or that leave no example to a class
 * @see Liu and Tao 2016, arXiv:1411.7718, section 4; Patrini et al. 2017, arXiv:1609.03683, section 4
 */
export function anchoredNoiseRates(
  { labels, probabilities }: OutOfFold,
  { share = 0.1, least = 20 }: AnchorOptions = {},
): EstimatedNoiseRates {
  const who = 'anchoredNoiseRates';
  if (!(share > 0 && share <= 1)) throw new OptionError(who, 'share', 'in (0, 1]', share);
  if (!(Number.isSafeInteger(least) && least >= 1)) {
    throw new OptionError(who, 'least', 'a whole number of at least 1', least);
  }
  const ones = expectProbabilities(who, probabilities, labels);
  const examples = labels.length;
  const anchors = (of: number): number => Math.min(of, Math.max(least, Math.round(share * of)));
  for (const [label, of] of [examples - ones, ones].entries()) {
    if (of === 0) throw new DataError(who, `there is no example of the observed class ${label}`);
  }
  const rising = Array.from({ length: examples }, (_, i) => i).sort(
    (a, b) => (probabilities[a] as number) - (probabilities[b] as number),
  );
  const falsePositive = meanOfFirst(anchors(examples - ones), rising, labels, probabilities);
  const falseNegative = 1 - meanOfFirst(anchors(ones), rising.reverse(), labels, probabilities);
  expectInformative(who, falsePositive, falseNegative);
  const prior = (ones / examples - falsePositive) / (1 - falsePositive - falseNegative);
  if (prior > 0 && prior < 1) return { falsePositive, falseNegative, prior };
  const rates = `${falsePositive.toPrecision(3)} and ${falseNegative.toPrecision(3)}`;
  const problem = `no example would be of class ${prior > 0 ? 0 : 1}, with rates of false positives and negatives of ${rates}`;
  throw new DataError(who, problem);
}

/** The mean label of the first `count` of an order; those of the last probability count with their share. */
function meanOfFirst(
  count: number,
  order: readonly number[],
  labels: ArrayLike<number>,
  probabilities: ArrayLike<number>,
): number {
  const last = probabilities[order[count - 1] as number] as number;
  const [surer, asSure] = [
    { examples: 0, ones: 0 },
    { examples: 0, ones: 0 },
  ];
  for (const [place, i] of order.entries()) {
    const group = probabilities[i] === last ? asSure : surer;
    if (place >= count && group === surer) break;
    group.examples += 1;
    group.ones += labels[i] as number;
  }
  return (surer.ones + ((count - surer.examples) * asSure.ones) / asSure.examples) / count;
}
