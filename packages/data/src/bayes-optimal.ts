import { OptionError } from '@tsrl/core';
import type { BinaryLabel } from './labelled-text.js';

/** The best that any classifier can reach, each by the rule that is best for it. */
export interface BayesOptimal {
  /** Of the rule p > 1/2. */
  readonly accuracy: number;
  /** (true positive rate + true negative rate) / 2 of the rule p > P(1). */
  readonly balancedAccuracy: number;
  /** 2 TP / (2 TP + FP + FN) of the rule p > t, with the threshold t that is best in expectation. */
  readonly f1: number;
  /** Of the posterior p as the score, ties counting a half. */
  readonly auroc: number;
}

/** A set of texts with the same posterior, and how much of it belongs to each class. */
export interface PosteriorMass {
  readonly posterior: number;
  readonly mass: readonly [number, number];
}

/**
 * What the exact posterior p_i = P(1 | text i) achieves on these texts.
 *
 * With `expected` labels (default) text i counts as p_i of an example of class 1 and 1 − p_i of one of class 0:
 *
 *   accuracy = mean max(p_i, 1 − p_i)
 *   balanced accuracy = ½ Σ p_i [p_i > π] / Σ p_i + ½ Σ (1 − p_i) [p_i ≤ π] / Σ (1 − p_i),   π = mean p_i
 *   F1 = 2 Σ p_i [p_i > t] / (Σ [p_i > t] + Σ p_i),   t where this is largest
 *   AUROC = Σ_ij p_i (1 − p_j) ([p_i > p_j] + ½ [p_i = p_j]) / Σ_ij p_i (1 − p_j)
 *
 * which leaves only the luck of the texts; with `drawn` labels the same rules meet the labels of the examples, and the
 * result has the luck of the labels too, as an achieved score has. Nobody beats the expectation on average; on few
 * drawn labels a classifier can.
 *
 * @throws OptionError when a posterior is not in [0, 1], or a class has no mass at all
 */
export function bayesOptimal(
  examples: readonly { readonly posterior: number; readonly label: BinaryLabel }[],
  { labels = 'expected' }: { readonly labels?: 'expected' | 'drawn' } = {},
): BayesOptimal {
  const who = 'bayesOptimal';
  if (labels !== 'expected' && labels !== 'drawn') {
    throw new OptionError(who, 'labels', "'expected' or 'drawn'", labels);
  }
  const masses = examples.map(({ posterior, label }): PosteriorMass => {
    if (!(posterior >= 0 && posterior <= 1)) throw new OptionError(who, 'posterior', 'in [0, 1]', posterior);
    const one = labels === 'expected' ? posterior : label;
    return { posterior, mass: [1 - one, one] };
  });
  const [zeros, ones] = totals(masses);
  if (!(zeros > 0 && ones > 0)) throw new OptionError(who, 'examples', 'of both classes', [zeros, ones]);
  return optimumOf(masses);
}

/** The rules of `bayesOptimal` on any distribution of posteriors. */
export function optimumOf(masses: readonly PosteriorMass[]): BayesOptimal {
  const [zeros, ones] = totals(masses);
  const prior = masses.reduce((sum, { posterior, mass }) => sum + posterior * (mass[0] + mass[1]), 0) / (zeros + ones);
  let [right, truePositive, trueNegative, ordered, below, onesBelow] = [0, 0, 0, 0, 0, 0];
  let [expectedBelow, expectedF1, f1] = [0, -1, 0];
  const n = zeros + ones;
  const sorted = [...masses].sort((a, b) => a.posterior - b.posterior);
  for (let i = 0; i < sorted.length; ) {
    const { posterior } = sorted[i] as PosteriorMass;
    let [zero, one] = [0, 0];
    for (; sorted[i]?.posterior === posterior; i++) {
      zero += (sorted[i] as PosteriorMass).mass[0];
      one += (sorted[i] as PosteriorMass).mass[1];
    }
    right += posterior > 0.5 ? one : zero;
    if (posterior > prior) truePositive += one;
    else trueNegative += zero;
    ordered += one * (below + zero / 2);
    // The rule that calls positive this posterior and all above it, chosen by what is expected of it.
    const called = n - below - onesBelow;
    const expected = (2 * (prior * n - expectedBelow)) / (called + prior * n);
    if (expected > expectedF1) [expectedF1, f1] = [expected, (2 * (ones - onesBelow)) / (called + ones)];
    below += zero;
    onesBelow += one;
    expectedBelow += posterior * (zero + one);
  }
  return {
    accuracy: right / (zeros + ones),
    balancedAccuracy: (truePositive / ones + trueNegative / zeros) / 2,
    f1,
    auroc: ordered / (zeros * ones),
  };
}

const totals = (masses: readonly PosteriorMass[]): readonly [number, number] =>
  masses.reduce<readonly [number, number]>(([zeros, ones], { mass }) => [zeros + mass[0], ones + mass[1]], [0, 0]);
