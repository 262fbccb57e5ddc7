import { sigmoid, softplus } from '@tsrl/core';
import { aurocOf } from './auroc.js';
import { averagePrecisionOf } from './average-precision.js';
import { expectLabels, expectProbabilities, expectScores } from './binary-data.js';
import { eceOf, mceOf } from './calibration-error.js';
import { type Confusion, countConfusion, expectThreshold, type ThresholdOptions } from './confusion.js';
import { reliabilityFor } from './reliability.js';
import { sweep } from './sweep.js';

/** Options of {@link binaryMetrics}. */
export interface BinaryMetricsOptions extends ThresholdOptions {
  /** Bins of the calibration errors, an integer of at least 1. Default 15. */
  readonly bins?: number;
}

/** Metrics of a binary classifier, as plain JSON. A type, not an interface, so that it is assignable to `Json`. */
export type BinaryMetrics = {
  readonly n: number;
  readonly positives: number;
  readonly threshold: number;
  readonly accuracy: number;
  /** (TPR + TNR) / 2; the one that is defined when a class is missing. */
  readonly balancedAccuracy: number;
  /** TPR = TP / (TP + FN); `null` without positives. */
  readonly sensitivity: number | null;
  /** TNR = TN / (TN + FP); `null` without negatives. */
  readonly specificity: number | null;
  /** TP / (TP + FP); 0 when nothing is predicted positive. */
  readonly precision: number;
  /** TP / (TP + FN); 0 without positives. */
  readonly recall: number;
  /** 2 TP / (2 TP + FP + FN); 0 without positives, true or predicted. */
  readonly f1: number;
  /** Mean of the F1 of both classes. */
  readonly macroF1: number;
  /** Matthews correlation; 0 when a row or a column of the confusion matrix is empty. */
  readonly mcc: number;
  /** Area under the ROC curve; `null` when a class is missing. */
  readonly auroc: number | null;
  /** `null` without positives. */
  readonly averagePrecision: number | null;
  /** Mean (p − y)². */
  readonly brier: number;
  /** Mean −log p(y) in nats; `null` when infinite: probability 0 for what happened. */
  readonly nll: number | null;
  /** Expected calibration error of the predicted class, bins of equal width. */
  readonly ece: number;
  /** Maximum calibration error of the same bins. */
  readonly mce: number;
  /** [[TN, FP], [FN, TP]]. */
  readonly confusion: Confusion;
  /** Names of the metrics above that have no value on this data: they are `null`, or follow the convention stated. */
  readonly undefinedMetrics: readonly string[];
};

/**
 * All metrics of a binary classifier from its log-odds z of class 1; it predicts 1[sigmoid(z) ≥ threshold].
 *
 * Ranking uses z and the likelihood softplus(z) − y z, so that saturated probabilities lose nothing.
 *
 * @throws OptionError for an option out of range, ShapeError when the lengths differ, DataError for no example, a
 * label other than 0 and 1, or a logit that is not finite
 */
export function binaryMetrics(
  { logits, labels }: { readonly logits: ArrayLike<number>; readonly labels: ArrayLike<number> },
  options: BinaryMetricsOptions = {},
): BinaryMetrics {
  expectLabels('binaryMetrics', labels);
  expectScores('binaryMetrics', 'logits', logits, labels, 'finite', Number.isFinite);
  const surprisal = (i: number): number => softplus(labels[i] === 1 ? -(logits[i] as number) : (logits[i] as number));
  return measure('binaryMetrics', Float64Array.from(logits, sigmoid), logits, labels, surprisal, options);
}

/**
 * The same from probabilities of class 1.
 *
 * @throws as {@link binaryMetrics}, DataError for a probability outside [0, 1]
 */
export function binaryMetricsOfProbabilities(
  { probabilities, labels }: { readonly probabilities: ArrayLike<number>; readonly labels: ArrayLike<number> },
  options: BinaryMetricsOptions = {},
): BinaryMetrics {
  const who = 'binaryMetricsOfProbabilities';
  expectProbabilities(who, probabilities, labels);
  const surprisal = (i: number): number => {
    const p = probabilities[i] as number;
    return labels[i] === 1 ? -Math.log(p) : -Math.log1p(-p);
  };
  return measure(who, probabilities, probabilities, labels, surprisal, options);
}

function measure(
  who: string,
  probabilities: ArrayLike<number>,
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  surprisal: (example: number) => number,
  { threshold = 0.5, bins = 15 }: BinaryMetricsOptions,
): BinaryMetrics {
  expectThreshold(who, threshold);
  const diagram = reliabilityFor(who, probabilities, labels, { bins, threshold });
  const swept = sweep(who, scores, labels);
  const matrix = countConfusion(probabilities, labels, threshold);
  const n = labels.length;
  let squares = 0;
  let surprise = 0;
  for (let i = 0; i < n; i++) {
    squares += ((probabilities[i] as number) - (labels[i] as number)) ** 2;
    surprise += surprisal(i);
  }

  const undefinedMetrics: string[] = [];
  const orElse = <T>(name: keyof BinaryMetrics, value: number | null, convention: T): number | T => {
    if (value !== null && Number.isFinite(value)) return value;
    undefinedMetrics.push(name);
    return convention;
  };
  const [[tn, fp], [fn, tp]] = matrix;
  const tpr = tp / (tp + fn);
  const tnr = tn / (tn + fp);
  const f1 = (hits: number): number => (2 * hits) / (2 * hits + fp + fn);
  const defined = (value: number): number => (Number.isNaN(value) ? 0 : value);
  return {
    n,
    positives: swept.positives,
    threshold,
    accuracy: (tp + tn) / n,
    balancedAccuracy: orElse('balancedAccuracy', (tpr + tnr) / 2, Number.isNaN(tpr) ? tnr : tpr),
    sensitivity: orElse('sensitivity', tpr, null),
    specificity: orElse('specificity', tnr, null),
    precision: orElse('precision', tp / (tp + fp), 0),
    recall: orElse('recall', tpr, 0),
    f1: orElse('f1', f1(tp), 0),
    macroF1: orElse('macroF1', (f1(tp) + f1(tn)) / 2, (defined(f1(tp)) + defined(f1(tn))) / 2),
    mcc: orElse('mcc', matthews(matrix), 0),
    auroc: orElse('auroc', aurocOf(swept), null),
    averagePrecision: orElse('averagePrecision', averagePrecisionOf(swept), null),
    brier: squares / n,
    nll: orElse('nll', surprise / n, null),
    ece: eceOf(diagram),
    mce: mceOf(diagram),
    confusion: matrix,
    undefinedMetrics,
  };
}

/** NaN when a row or a column is empty. */
const matthews = ([[tn, fp], [fn, tp]]: Confusion): number =>
  (tp * tn - fp * fn) / Math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn));
