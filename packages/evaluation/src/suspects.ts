import { expectProbabilities } from './binary-data.js';
import type { OutOfFold } from './confident-noise-rates.js';

/** An example whose label is probably wrong. */
export interface Suspect {
  /** Where it stands in the labels. */
  readonly position: number;
  /** The observed label. */
  readonly label: 0 | 1;
  /** The probability of the observed label: the lower, the more suspicious. */
  readonly probability: number;
  /** The mean of that probability over all examples of the observed label. */
  readonly threshold: number;
  /** The same as a sentence. */
  readonly why: string;
}

/**
 * The examples whose labels out-of-fold probabilities most confidently contradict, most suspicious first, by confident
 * learning with *prune by noise rate*. With p_j the probability of class j, ỹ the observed label and t_j the mean of p_j
 * over the examples with ỹ = j:
 *
 *   C[i][j] = number of examples with ỹ = i that are confidently of class j, as in `confidentNoiseRates`
 *   n_i = round(N_i · C[i][j] / (C[i][i] + C[i][j])),  j ≠ i
 *
 * Suspects are the n_i examples of each observed class i with the least p_i, as far as these are below ½, in the order of
 * p_ỹ; of equals, the first comes first. So the list is about as long as there are wrong labels where the classes do not
 * overlap; where they do, hard examples are on it too.
 *
 * Of two classes the rankings that the paper and cleanlab offer are one: self-confidence p_ỹ, the normalised margin
 * p_ỹ − p_j = 2 p_ỹ − 1 and the loss −log p_ỹ have the same order. What matters is where the list is cut, and how the
 * classes are weighed. Without n_i, when all wrong labels are of one class, right but hard examples of the other fill the
 * list; ordered by p_ỹ − t_ỹ, hard examples of the frequent class come first. And a model of a rare class that was not
 * told to weigh the classes alike (`classWeights: 'balanced'`) contradicts every label of that class a little: give the
 * probabilities of one that was.
 *
 * Differences: cleanlab (`find_label_issues`) counts as said at `confidentNoiseRates`, rounds the n_i so that they add up
 * with the other counts, which makes them one more or less now and then, and never lists a whole class.
 *
 * @returns empty when no label is contradicted
 * @throws ShapeError when the lengths differ; DataError for no example, a label other than 0 and 1, or a probability
 *   outside [0, 1]
 * @see Northcutt, Jiang and Chuang 2021, arXiv:1911.00068, section 3.2
 */
export function suspects({ labels, probabilities }: OutOfFold): Suspect[] {
  expectProbabilities('suspects', probabilities, labels);
  const own = Float64Array.from(probabilities, (p, i) => of(labels[i] as 0 | 1, p));
  const classes = ([0, 1] as const).map((label) => {
    const positions = Array.from(own, (_, i) => i).filter((i) => labels[i] === label);
    const mean = positions.reduce((sum, i) => sum + (own[i] as number), 0) / positions.length;
    positions.sort((a, b) => (own[a] as number) - (own[b] as number) || a - b);
    const largest = own[positions.at(-1) ?? 0] as number;
    // Of equal numbers the mean can be rounded up; nothing is confidently of a class that no label names.
    return { label, positions, threshold: positions.length === 0 ? Number.POSITIVE_INFINITY : Math.min(mean, largest) };
  });
  const list = classes.flatMap(({ label, positions, threshold }) => {
    const other = classes[1 - label]?.threshold as number;
    let [right, wrong] = [0, 0];
    for (const i of positions) {
      const p = own[i] as number;
      const against = of((1 - label) as 0 | 1, probabilities[i] as number);
      if (against >= other && (p < threshold || against > p)) wrong += 1;
      else if (p >= threshold) right += 1;
    }
    const count = wrong === 0 ? 0 : Math.round((positions.length * wrong) / (right + wrong));
    return positions.slice(0, count).flatMap((position) => {
      const probability = own[position] as number;
      if (probability >= 0.5) return [];
      const why = `labelled ${label}, to which the model gives a probability of ${probability.toFixed(3)}; examples labelled ${label} get ${threshold.toFixed(3)} in the mean`;
      return [{ position, label, probability, threshold, why }];
    });
  });
  return list.sort((a, b) => a.probability - b.probability || a.position - b.position);
}

const of = (label: 0 | 1, p1: number): number => (label === 1 ? p1 : 1 - p1);
