import { type BinaryReward, type ConfidenceOptions, confidenceWeighted } from './confidence.js';
import type { ConfidenceEntry } from './entry.js';

/**
 * Plain right or wrong: r = ±κ w, whatever the confidence. Gap 2 κ w.
 *
 * @throws OptionError for an option out of range (see {@link confidenceWeighted})
 */
export const constantReward = (options: ConfidenceOptions = {}): BinaryReward =>
  confidenceWeighted('constantReward', () => 1, options);

export const constantRewardEntry: ConfidenceEntry = {
  name: 'constantReward',
  formula: '±κ w',
  citation: 'variant of arXiv:2602.02708',
  laws: ['antisymmetric', 'positive-gap'],
  create: constantReward,
};
