import { DataError } from '@tsrl/core';

/**
 * The accuracy of always predicting the most frequent label: what stands beside every accuracy, for under imbalance it
 * is high without any skill.
 *
 * @throws DataError for no label
 */
export function majorityBaseline(labels: ArrayLike<number | string>): number {
  if (labels.length === 0) throw new DataError('majorityBaseline', 'there is no label');
  const counts = new Map<number | string, number>();
  for (const label of Array.from(labels)) counts.set(label, (counts.get(label) ?? 0) + 1);
  return Math.max(...counts.values()) / labels.length;
}
