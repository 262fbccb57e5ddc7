import { expectClassRows } from './class-rows.js';
import { crossing } from './special/crossing.js';

/** T is searched between these, as in `temperature`. */
const [COLDEST, HOTTEST] = [0.05, 20];

/**
 * The temperature T in [0.05, 20] that calibrates the logits of several classes best: it minimizes the mean negative
 * log-likelihood of softmax(z/T), which is convex in 1/T, so its derivative Σᵢ (E_p[zᵢ] − zᵢ,y) crosses 0 once and
 * bisection finds where. Of two classes it is `temperature` of the difference of the logits. Choose it on validation data.
 *
 * At an end of the range the optimum lies beyond; where no temperature matters (equal logits) it is 1.
 *
 * @param logits z[example][class]
 * @throws ShapeError when lengths differ, DataError for no example, a label that is no class, or a logit not finite
 * @see Guo et al. 2017, arXiv:1706.04599, section 4.2
 */
export function softmaxTemperature(logits: readonly ArrayLike<number>[], labels: ArrayLike<number>): number {
  expectClassRows('softmaxTemperature', 'logits', logits, labels);
  if (logits.every((row) => Array.from(row).every((z) => z === row[0]))) return 1;
  const slope = (inverse: number): number =>
    logits.reduce((sum, row, i) => sum + expectedLead(row, labels[i] as number, inverse), 0);
  if (slope(1 / COLDEST) < 0) return COLDEST;
  if (slope(1 / HOTTEST) >= 0) return HOTTEST;
  return 1 / crossing(slope, 1 / HOTTEST, 1 / COLDEST);
}

/** E_p[z] − z_y under p = softmax(z · inverse), from differences of logits alone. */
function expectedLead(row: ArrayLike<number>, label: number, inverse: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < row.length; k++) top = Math.max(top, row[k] as number);
  let [weights, below] = [0, 0];
  for (let k = 0; k < row.length; k++) {
    const distance = (row[k] as number) - top;
    const weight = Math.exp(distance * inverse);
    weights += weight;
    below += weight * distance;
  }
  return below / weights - ((row[label] as number) - top);
}
