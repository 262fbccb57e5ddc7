import { softplus } from '@tsrl/core';
import { type BinaryReward, type CappedOptions, capOf, confidenceWeighted } from './confidence.js';
import type { ConfidenceEntry } from './entry.js';

/**
 * Unlikely actions count most: r = ±κ w · min(−log p_a, cap), −log p_a = softplus(−z_a). It is the printed reward of
 * BinaryPPO with the sign of κ turned. The gap, and so every advantage against the exact baseline, is that of
 * `logComplement` (before the cap); with sampled actions and imperfect baselines the variance differs.
 *
 * @throws OptionError for an option out of range (see {@link confidenceWeighted}), or a cap that is not positive
 */
export function surprise({ cap = 5, ...options }: CappedOptions = {}): BinaryReward {
  const most = capOf('surprise', cap);
  return confidenceWeighted('surprise', (odds) => Math.min(softplus(-odds), most), options);
}

export const surpriseEntry: ConfidenceEntry = {
  name: 'surprise',
  formula: '±κ w · −log p_a',
  citation: 'variant of arXiv:2602.02708',
  laws: ['antisymmetric', 'positive-gap', 'capped'],
  create: surprise,
};
