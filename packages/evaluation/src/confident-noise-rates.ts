import { DataError } from '@tsrl/core';
import { expectProbabilities } from './binary-data.js';
import { type EstimatedNoiseRates, expectInformative } from './trusted-noise-rates.js';

/** Rows are observed labels, columns true ones. */
type Table = readonly [readonly [number, number], readonly [number, number]];

/** Inputs of {@link confidentNoiseRates}, all [N]. */
export interface OutOfFold {
  /** Observed labels, 0 or 1, both present. */
  readonly labels: ArrayLike<number>;
  /** Of class 1, each by a model that did not see the label of that example: cross-validation. */
  readonly probabilities: ArrayLike<number>;
}

/** What {@link confidentNoiseRates} finds. */
export interface ConfidentNoiseRates extends EstimatedNoiseRates {
  /** t₀ and t₁: mean probability that the examples of a class give to their own label. */
  readonly thresholds: readonly [number, number];
  /** How many examples of an observed label (row) are confidently of a class (column). */
  readonly counts: Table;
  /** P(observed, true): the counts, calibrated to the number of examples of each observed label. */
  readonly joint: Table;
}

/**
 * The noise rates without a single trusted label, by confident learning. With p_j the out-of-fold probability of class
 * j and ỹ the observed label:
 *
 *   t_j = mean of p_j over the examples with ỹ = j
 *   C[i][j] = number of examples with ỹ = i that are confidently of class j: p_j ≥ t_j, the likelier class if both are
 *   Q[i][j] = C[i][j] / (C[i][0] + C[i][1]) · N_i / N
 *   e₀ = Q[1][0] / (Q[0][0] + Q[1][0]),  e₁ = Q[0][1] / (Q[0][1] + Q[1][1]),  prior = Q[0][1] + Q[1][1]
 *
 * Thresholds of its own for each class make up for a model that is over-confident in one of them. Exact where the
 * probabilities are those of the observed labels and the classes do not overlap (theorem 1 of the paper); where they do
 * overlap, honest errors of the model count as noise and the rates come out too high.
 *
 * Differences: cleanlab compares with t_j − 1e-6 and sets empty diagonal entries of C to 1; here a threshold is at most
 * the largest p_j of its class, which is all that rounding asks for, and an empty column is an error, for its rate is
 * unknown. It rounds the calibrated counts to whole numbers. Where p₀ = p₁ and both are confident it counts class 0,
 * here the observed label.
 *
 * @throws ShapeError when the lengths differ; DataError for no example, an observed class without one, a class that no
 * example is confidently of, a label other than 0 and 1, a probability outside [0, 1], or rates that sum to 1 or more
 * @see Northcutt, Jiang and Chuang 2021, arXiv:1911.00068, equations 1 to 3
 */
export function confidentNoiseRates({ labels, probabilities }: OutOfFold): ConfidentNoiseRates {
  const who = 'confidentNoiseRates';
  const ones = expectProbabilities(who, probabilities, labels);
  const examples = [labels.length - ones, ones] as const;
  const sums: [number, number] = [0, 0];
  const largest: [number, number] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as 0 | 1;
    const own = of(label, probabilities[i] as number);
    sums[label] += own;
    largest[label] = Math.max(largest[label], own);
  }
  for (const label of [0, 1] as const) {
    if (examples[label] === 0) throw new DataError(who, `there is no example of the observed class ${label}`);
  }
  const threshold = (label: 0 | 1): number => Math.min(sums[label] / examples[label], largest[label]);
  const thresholds = [threshold(0), threshold(1)] as const;

  const counts: [[number, number], [number, number]] = [
    [0, 0],
    [0, 0],
  ];
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as 0 | 1;
    const p1 = probabilities[i] as number;
    const p0 = of(0, p1);
    const [zero, one] = [p0 >= thresholds[0], p1 >= thresholds[1]];
    if (zero && one) counts[label][p1 === p0 ? label : p1 > p0 ? 1 : 0] += 1;
    else if (zero || one) counts[label][one ? 1 : 0] += 1;
  }
  // A row is never empty: the largest p_j of a class is confident.
  const share = (label: 0 | 1): number => examples[label] / labels.length / (counts[label][0] + counts[label][1]);
  const row = (label: 0 | 1) => [counts[label][0] * share(label), counts[label][1] * share(label)] as const;
  const joint = [row(0), row(1)] as const;
  const mass = [joint[0][0] + joint[1][0], joint[0][1] + joint[1][1]] as const;
  for (const label of [0, 1] as const) {
    if (mass[label] === 0) {
      throw new DataError(who, `no example is confidently of class ${label}, so its noise rate is unknown`);
    }
  }
  const [falsePositive, falseNegative] = [joint[1][0] / mass[0], joint[0][1] / mass[1]];
  expectInformative(who, falsePositive, falseNegative);
  return { falsePositive, falseNegative, prior: mass[1], thresholds, counts, joint };
}

const of = (label: 0 | 1, p1: number): number => (label === 1 ? p1 : 1 - p1);
