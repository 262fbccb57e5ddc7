import { OptionError } from '@tsrl/core';

/** How many items two multisets have in common. */
export function overlap<T>(a: readonly T[], b: readonly T[]): number {
  const left = new Map<T, number>();
  for (const item of a) left.set(item, (left.get(item) ?? 0) + 1);
  let common = 0;
  for (const item of b) {
    const times = left.get(item) ?? 0;
    if (times === 0) continue;
    left.set(item, times - 1);
    common += 1;
  }
  return common;
}

/** F1 of two sets: 2 |A ∩ B| / (|A| + |B|), duplicates ignored; 1 when both are empty. */
export function setF1<T>(predicted: readonly T[], gold: readonly T[]): number {
  const [a, b] = [[...new Set(predicted)], [...new Set(gold)]];
  return a.length + b.length === 0 ? 1 : (2 * overlap(a, b)) / (a.length + b.length);
}

/** Jaccard index of two multisets: |A ∩ B| / |A ∪ B|; 1 when both are empty. */
export function multisetJaccard<T>(a: readonly T[], b: readonly T[]): number {
  const common = overlap(a, b);
  const all = a.length + b.length - common;
  return all === 0 ? 1 : common / all;
}

/** An axis-aligned box: left, top, right, bottom. */
export type Box = readonly [number, number, number, number];

/**
 * Intersection over union of two boxes: symmetric, 1 only for equal boxes, 0 for disjoint ones. A box without area
 * has 0 with every other, and 1 with itself.
 *
 * @throws OptionError when a box is not finite, or its right or bottom lies before its left or top
 */
export function boxIou(a: Box, b: Box): number {
  for (const [name, box] of Object.entries({ a, b })) {
    if (!(box.every(Number.isFinite) && box[0] <= box[2] && box[1] <= box[3])) {
      throw new OptionError('boxIou', name, 'finite [left, top, right, bottom] in order', box);
    }
  }
  if (a.every((side, i) => side === b[i])) return 1;
  const area = ([left, top, right, bottom]: Box): number => (right - left) * (bottom - top);
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const common = width * height;
  return common / (area(a) + area(b) - common);
}
