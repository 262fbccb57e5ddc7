import { expectLabels, expectScores } from './binary-data.js';

/** How many examples of each class have a score of at least each threshold, from the highest threshold down. */
export interface Sweep {
  /** The distinct scores, descending. */
  readonly thresholds: readonly number[];
  /** Positives at or above each threshold. */
  readonly truePositives: readonly number[];
  /** Negatives at or above each threshold. */
  readonly falsePositives: readonly number[];
  readonly positives: number;
  readonly negatives: number;
}

/** Every decision rule 1[score ≥ threshold] at once, in O(n log n): one sort, then one pass over groups of ties. */
export function sweep(who: string, scores: ArrayLike<number>, labels: ArrayLike<number>): Sweep {
  const positives = expectLabels(who, labels);
  expectScores(who, 'scores', scores, labels, 'a number', (score) => !Number.isNaN(score));
  const score = (i: number): number => scores[i] as number;
  const order = Uint32Array.from({ length: labels.length }, (_, i) => i).sort((i, j) =>
    score(i) > score(j) ? -1 : score(i) < score(j) ? 1 : 0,
  );

  const thresholds: number[] = [];
  const truePositives: number[] = [];
  const falsePositives: number[] = [];
  let above = 0;
  order.forEach((example, rank) => {
    above += labels[example] as number;
    const next = order[rank + 1];
    if (next !== undefined && score(next) === score(example)) return;
    thresholds.push(score(example));
    truePositives.push(above);
    falsePositives.push(rank + 1 - above);
  });
  return { thresholds, truePositives, falsePositives, positives, negatives: labels.length - positives };
}
