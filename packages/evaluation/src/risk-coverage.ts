import { expectLabels, expectScores } from './binary-data.js';

/** The risk-coverage curve, as plain JSON. */
export interface RiskCoverage {
  /** k/N, k = 1 … N. */
  readonly coverage: readonly number[];
  /** The error rate of the k most confident. */
  readonly risk: readonly number[];
  /** AURC, the mean of the risks; lower is better. */
  readonly area: number;
}

/**
 * Selective prediction: how often the most confident predictions are wrong, when the others are declined. Equal
 * confidences are taken in random order, and the risk is its mean over the orders, so the order of the examples means
 * nothing.
 *
 * @param confidences any scores; only their order counts
 * @param correct 1 where the prediction is right, else 0
 * @throws ShapeError when the lengths differ, DataError for no example, an entry of `correct` other than 0 and 1, or a
 * confidence NaN
 * @see Geifman and El-Yaniv 2017, arXiv:1705.08500; Geifman et al. 2019, arXiv:1805.08206, for the area
 */
export function riskCoverage(confidences: ArrayLike<number>, correct: ArrayLike<number>): RiskCoverage {
  expectLabels('riskCoverage', correct);
  expectScores('riskCoverage', 'confidences', confidences, correct, 'a number', (value) => !Number.isNaN(value));
  const n = correct.length;
  const at = (i: number): number => confidences[i] as number;
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => (at(i) > at(j) ? -1 : at(i) < at(j) ? 1 : 0));
  const risk: number[] = [];
  let errors = 0;
  while (risk.length < n) {
    const start = risk.length;
    let end = start;
    let wrong = 0;
    while (end < n && at(order[end] as number) === at(order[start] as number)) {
      wrong += 1 - (correct[order[end] as number] as number);
      end += 1;
    }
    for (let k = start; k < end; k++) risk.push((errors + (wrong * (k + 1 - start)) / (end - start)) / (k + 1));
    errors += wrong;
  }
  return { coverage: risk.map((_, k) => (k + 1) / n), risk, area: risk.reduce((a, b) => a + b) / n };
}
