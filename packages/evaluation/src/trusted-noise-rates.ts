import { DataError, expectLength } from '@tsrl/core';

/** How often labels are wrong, as estimated; what the corrections of `@tsrl/rewards` take. */
export interface EstimatedNoiseRates {
  /** e₀ = P(observed 1 | true 0). */
  readonly falsePositive: number;
  /** e₁ = P(observed 0 | true 1). */
  readonly falseNegative: number;
  /** P(true label 1). */
  readonly prior: number;
}

/** Inputs of {@link trustedNoiseRates}, all [N]. */
export interface TrustedLabels {
  /** True labels, 0 or 1, both present. */
  readonly trusted: ArrayLike<number>;
  /**
   * What the noisy source says of the same examples: labels 0 or 1; or, where it was not asked, the probability in
   * [0, 1] that it says 1, by a calibrated model fit to noisy labels of other examples.
   */
  readonly observed: ArrayLike<number>;
}

/**
 * The noise rates from examples whose true labels are known:
 *
 *   e₀ = mean of observed over the true zeros,  e₁ = mean of 1 − observed over the true ones
 *
 * With observed labels these are the shares of wrong ones, with standard error √(e (1 − e) / n) over the n examples of a
 * class. With probabilities it is the estimate of Gold Loss Correction, as good as the model is calibrated. `prior` is
 * the share of ones among the trusted labels: that of the data only if the split was drawn from it at random.
 *
 * @throws ShapeError when the lengths differ; DataError for a class without an example, a trusted label other than
 * 0 and 1, an observed value outside [0, 1], or rates that sum to 1 or more, from which nothing can be learned
 * @see Hendrycks et al. 2018, arXiv:1802.05300, equation 1
 */
export function trustedNoiseRates({ trusted, observed }: TrustedLabels): EstimatedNoiseRates {
  const who = 'trustedNoiseRates';
  expectLength(who, 'observed', observed, trusted.length);
  const examples: [number, number] = [0, 0];
  const wrong: [number, number] = [0, 0];
  for (let i = 0; i < trusted.length; i++) {
    const label = trusted[i];
    if (label !== 0 && label !== 1) throw new DataError(who, `trusted[${i}] must be 0 or 1; got ${label}`);
    const p = observed[i] as number;
    if (!(p >= 0 && p <= 1)) throw new DataError(who, `observed[${i}] must be in [0, 1]; got ${p}`);
    examples[label] += 1;
    wrong[label] += label === 1 ? 1 - p : p;
  }
  for (const label of [0, 1] as const) {
    if (examples[label] === 0) throw new DataError(who, `there is no trusted example of class ${label}`);
  }
  const [falsePositive, falseNegative] = [wrong[0] / examples[0], wrong[1] / examples[1]];
  expectInformative(who, falsePositive, falseNegative);
  return { falsePositive, falseNegative, prior: examples[1] / trusted.length };
}

/** Throws unless the observed label still says something of the true one, and not its opposite. */
export function expectInformative(who: string, falsePositive: number, falseNegative: number): void {
  if (falsePositive + falseNegative < 1 - 1e-9) return; // a sum of 1 may be rounded
  const rates = `${falsePositive.toPrecision(3)} and ${falseNegative.toPrecision(3)}`;
  throw new DataError(
    who,
    `the rates of false positives and false negatives must sum to less than 1; got ${rates}, so the labels say nothing of the true ones, or the opposite`,
  );
}
