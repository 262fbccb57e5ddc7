import { sigmoid } from '@tsrl/core';
import { type BinaryReward, type ConfidenceOptions, confidenceWeighted } from './confidence.js';
import type { ConfidenceEntry } from './entry.js';

/**
 * Confidence is the probability of the action: r = ±κ w p_a. Gap κ w, the same for every probability, so with an
 * exact baseline this is `constantReward` of half the scale.
 *
 * @throws OptionError for an option out of range (see {@link confidenceWeighted})
 */
export const probReward = (options: ConfidenceOptions = {}): BinaryReward =>
  confidenceWeighted('probReward', sigmoid, options);

export const probRewardEntry: ConfidenceEntry = {
  name: 'probReward',
  formula: '±κ w p_a',
  citation: 'variant of arXiv:2602.02708',
  laws: ['antisymmetric', 'positive-gap'],
  create: probReward,
};
