import { DataError, expectLength } from '@tsrl/core';

/** Throws unless there is at least one example, and every label is 0 or 1. Returns how many are 1. */
export function expectLabels(who: string, labels: ArrayLike<number>): number {
  if (labels.length === 0) throw new DataError(who, 'there is no example to evaluate');
  let positives = 0;
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (label !== 0 && label !== 1) throw new DataError(who, `labels[${i}] must be 0 or 1; got ${label}`);
    positives += label;
  }
  return positives;
}

/** Throws unless there is one number per label, and each passes `fits`. */
export function expectScores(
  who: string,
  name: string,
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  expected: string,
  fits: (score: number) => boolean,
): void {
  expectLength(who, name, scores, labels.length);
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    if (!fits(score)) throw new DataError(who, `${name}[${i}] must be ${expected}; got ${score}`);
  }
}

/** Throws unless there is one probability of class 1 per label, all labels are 0 or 1, and there is one at least. */
export function expectProbabilities(who: string, probabilities: ArrayLike<number>, labels: ArrayLike<number>): number {
  const positives = expectLabels(who, labels);
  expectScores(who, 'probabilities', probabilities, labels, 'in [0, 1]', (p) => p >= 0 && p <= 1);
  return positives;
}
