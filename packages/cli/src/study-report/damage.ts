import type { Json } from '@tsrl/core';
import { record } from './record.js';

/** What a damage does: `one-sided` hits one class alone, `symmetric` both alike, `both` is one after the other. */
export type DamageGroup = 'clean' | 'one-sided' | 'symmetric' | 'both';

export const groupLabels: Readonly<Record<DamageGroup, string>> = {
  clean: 'clean data',
  'one-sided': 'damage to one class',
  symmetric: 'symmetric flips',
  both: 'imbalance and symmetric flips',
};

export const groupOrder: readonly DamageGroup[] = ['clean', 'one-sided', 'symmetric', 'both'];

/** By its settings, or where there are none by its name; nothing where neither tells. */
export function groupOf(name: string, configured: Json | undefined): DamageGroup | undefined {
  if (configured !== undefined) {
    const { labelNoise = 0, falsePositiveNoise = 0, falseNegativeNoise = 0, imbalance = null } = record(configured);
    const symmetric = labelNoise !== 0 || (falsePositiveNoise !== 0 && falseNegativeNoise !== 0);
    if (symmetric) return imbalance === null ? 'symmetric' : 'both';
    return imbalance === null && falsePositiveNoise === 0 && falseNegativeNoise === 0 ? 'clean' : 'one-sided';
  }
  if (/^(none|clean)$/i.test(name)) return 'clean';
  const imbalance = /imbalanc|to-?1\b|ratio/i.test(name);
  const flips = /flip|noise/i.test(name);
  if (imbalance || /positive|negative|one-?sided/i.test(name)) return imbalance && flips ? 'both' : 'one-sided';
  return flips ? 'symmetric' : undefined;
}

/** `30 % of positives flipped`, `10:1, 20 % flips`. */
export function labelOf(configured: Json | undefined): string | undefined {
  if (configured === undefined) return undefined;
  const { labelNoise = 0, falsePositiveNoise = 0, falseNegativeNoise = 0, imbalance = null } = record(configured);
  const percent = (share: Json): string => `${Number((100 * Number(share)).toFixed(1))}\u00a0%`;
  const parts = [
    imbalance === null ? '' : `${imbalance}:1`,
    labelNoise === 0 ? '' : `${percent(labelNoise)} flips`,
    falseNegativeNoise === 0 ? '' : `${percent(falseNegativeNoise)} of positives flipped`,
    falsePositiveNoise === 0 ? '' : `${percent(falsePositiveNoise)} of negatives flipped`,
  ];
  return parts.filter(Boolean).join(', ') || 'clean';
}
