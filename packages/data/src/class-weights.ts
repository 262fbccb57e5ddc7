import { OptionError } from '@tsrl/core';

/**
 * Weights under which both classes count the same in all, and an example counts 1 in the mean:
 *
 *   w[y] = N / (2 N[y]),   N = N[0] + N[1]
 *
 * For the option `classWeights` of rewards and of cross-entropy. Not beside `balancedIndices`: together they would count
 * the rare class twice.
 *
 * @param counts examples of class 0 and of class 1, as `classCounts` gives them
 * @returns [w[0], w[1]]
 * @throws OptionError unless both counts are integers of at least 1
 */
export function balancedClassWeights(counts: readonly [number, number]): readonly [number, number] {
  expectCounts('balancedClassWeights', counts);
  const total = counts[0] + counts[1];
  return [total / (2 * counts[0]), total / (2 * counts[1])];
}

/** Options of {@link effectiveClassWeights}. */
export interface EffectiveNumberOptions {
  /** b in [0, 1), default 0.999: 0 weighs all examples alike, b → 1 is `balancedClassWeights`. */
  readonly beta?: number;
}

/**
 * Weights by the effective number of examples, which grows ever slower with the number N[y] because examples overlap:
 *
 *   w[y] ∝ (1 − b) / (1 − b^N[y]),   scaled so that an example counts 1 in the mean, Σ_y N[y] w[y] = N
 *
 * Between equal weights and balanced ones: of classes with far more than 1 / (1 − b) examples both count as that many.
 *
 * Differences: the paper scales the weights to sum to the number of classes, which makes the mean loss depend on the
 * imbalance; its b is one of 0.9, 0.99, 0.999 and 0.9999.
 *
 * @param counts examples of class 0 and of class 1, as `classCounts` gives them
 * @returns [w[0], w[1]]
 * @throws OptionError unless both counts are integers of at least 1, or for a beta outside [0, 1)
 * @see Cui et al. 2019, arXiv:1901.05555, equations 2 and 4
 */
export function effectiveClassWeights(
  counts: readonly [number, number],
  { beta = 0.999 }: EffectiveNumberOptions = {},
): readonly [number, number] {
  const who = 'effectiveClassWeights';
  expectCounts(who, counts);
  if (!(beta >= 0 && beta < 1)) throw new OptionError(who, 'beta', 'in [0, 1)', beta);
  // 1 − bⁿ without cancellation where b is near 1; the common factor 1 − b goes with the scale.
  const inverse = (n: number): number => -1 / Math.expm1(n * Math.log(beta));
  const weights = [inverse(counts[0]), inverse(counts[1])] as const;
  const mean = (counts[0] * weights[0] + counts[1] * weights[1]) / (counts[0] + counts[1]);
  return [weights[0] / mean, weights[1] / mean];
}

function expectCounts(who: string, counts: readonly [number, number]): void {
  if (counts.length === 2 && counts.every((n) => Number.isInteger(n) && n >= 1)) return;
  throw new OptionError(
    who,
    'counts',
    'two integers of at least 1, for a class without examples has no weight',
    counts,
  );
}
