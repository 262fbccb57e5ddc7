import { softplus } from '@tsrl/core';
import { type BinaryReward, type CappedOptions, capOf, confidenceWeighted } from './confidence.js';
import type { ConfidenceEntry } from './entry.js';

/**
 * The reward of BinaryPPO with its sign put right, and the default: confidence is −log of what the action leaves
 * over,
 *
 *   r = ±κ w · min(−log(1 − p_a), cap),   −log(1 − p_a) = softplus(z_a)
 *
 * Confident right actions earn most, confident wrong ones lose most, undecided ones matter little, as the prose of
 * the paper asks; it is the printed reward of the other action, r(a) = printed(1 − a). Gap −κ w log(p (1 − p)),
 * at least κ w log 4, before the cap; the cap keeps its sign.
 *
 * @throws OptionError for an option out of range (see {@link confidenceWeighted}), or a cap that is not positive
 * @see Pandey and Jin 2026, arXiv:2602.02708; the paper prints log π_old(a|x), see `printed`
 */
export function logComplement({ cap = 5, ...options }: CappedOptions = {}): BinaryReward {
  const most = capOf('logComplement', cap);
  return confidenceWeighted('logComplement', (odds) => Math.min(softplus(odds), most), options);
}

export const logComplementEntry: ConfidenceEntry = {
  name: 'logComplement',
  formula: '±κ w · −log(1 − p_a)',
  citation: 'arXiv:2602.02708, with its sign put right',
  laws: ['antisymmetric', 'positive-gap', 'capped'],
  create: logComplement,
};
