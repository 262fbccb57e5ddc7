import { OptionError } from '@tsrl/core';
import type { Confusion } from './confusion.js';

/** The share of predictions beyond which one class has taken all, and the share of labels that makes this a fault. */
const [PREDICTED, LABELLED] = [0.02, 0.1];

/**
 * Whether a classifier has come to predict one class only: less than 2 % or more than 98 % of its predictions are class
 * 1, while 10 to 90 % of the labels are. Then accuracy still looks fair where classes are uneven, and the policy gradient
 * of the class that is never chosen is near 0, so that training does not come back by itself.
 *
 * @param confusion [[TN, FP], [FN, TP]], as `confusion` and `binaryMetrics` give it
 * @throws OptionError for a confusion without examples
 */
export function collapsed(confusion: Confusion): boolean {
  const [[trueNegatives, falsePositives], [falseNegatives, truePositives]] = confusion;
  const total = trueNegatives + falsePositives + falseNegatives + truePositives;
  if (!(total > 0)) throw new OptionError('collapsed', 'confusion', 'of at least one example', confusion);
  const predicted = (falsePositives + truePositives) / total;
  const labelled = (falseNegatives + truePositives) / total;
  const mixed = labelled >= LABELLED && labelled <= 1 - LABELLED;
  return mixed && (predicted < PREDICTED || predicted > 1 - PREDICTED);
}
