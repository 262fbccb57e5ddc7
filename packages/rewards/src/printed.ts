import { softplus } from '@tsrl/core';
import { type BinaryReward, type CappedOptions, capOf, confidenceWeighted } from './confidence.js';
import type { ConfidenceEntry } from './entry.js';

/**
 * **Anti-learning: a negative control, not a reward to train with.** The formula that BinaryPPO prints, letter by
 * letter (but for the cap):
 *
 *   r = ±κ w · max(log p_a, −cap),   log p_a = −softplus(−z_a)
 *
 * The logarithm is never positive, so the wrong action earns more than the right one at every probability: the gap
 * is κ w log(p (1 − p)) ≤ −κ w log 4, and the policy learns the opposite of the labels. Use `logComplement`.
 *
 * @throws OptionError for an option out of range (see {@link confidenceWeighted}), or a cap that is not positive
 * @see Pandey and Jin 2026, arXiv:2602.02708
 */
export function printed({ cap = 5, ...options }: CappedOptions = {}): BinaryReward {
  const most = capOf('printed', cap);
  return confidenceWeighted('printed', (odds) => -Math.min(softplus(-odds), most), options);
}

export const printedEntry: ConfidenceEntry = {
  name: 'printed',
  formula: '±κ w log p_a, with the wrong sign',
  citation: 'arXiv:2602.02708',
  laws: ['antisymmetric', 'negative-gap', 'capped'],
  create: printed,
};
