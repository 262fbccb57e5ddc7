import { softplus } from '@tsrl/core';
import { expectLabels, expectScores } from './binary-data.js';

/** The search covers log T between these. */
const [COLDEST, HOTTEST] = [0.05, 20];
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/**
 * The temperature T in [0.05, 20] that calibrates log-odds best: it minimizes the mean of softplus(z/T) − y z/T, by
 * golden-section search over log T. Divide the log-odds by it; AUROC, and the accuracy at threshold 0.5, stay.
 * Choose it on validation data.
 *
 * At an end of the range the optimum lies beyond: data that a threshold separates asks for T → 0, for example.
 *
 * @throws ShapeError when the lengths differ, DataError for no example, a label other than 0 and 1, or a logit that is
 * not finite
 * @see Guo et al. 2017, arXiv:1706.04599, section 4.2
 */
export function temperature({
  logits,
  labels,
}: {
  readonly logits: ArrayLike<number>;
  readonly labels: ArrayLike<number>;
}): number {
  expectLabels('temperature', labels);
  expectScores('temperature', 'logits', logits, labels, 'finite', Number.isFinite);
  const loss = (logT: number): number => {
    let sum = 0;
    for (let i = 0; i < labels.length; i++) {
      const z = (logits[i] as number) / Math.exp(logT);
      sum += softplus(labels[i] === 1 ? -z : z);
    }
    return sum;
  };
  // In 1/T the loss is convex, so in log T it has one valley.
  let [low, high] = [Math.log(COLDEST), Math.log(HOTTEST)];
  let [left, right] = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
  let [atLeft, atRight] = [loss(left), loss(right)];
  while (high - low > 1e-9) {
    if (atLeft <= atRight) {
      [high, right, atRight] = [right, left, atLeft];
      left = high - GOLDEN * (high - low);
      atLeft = loss(left);
    } else {
      [low, left, atLeft] = [left, right, atRight];
      right = low + GOLDEN * (high - low);
      atRight = loss(right);
    }
  }
  return Math.exp((low + high) / 2);
}
