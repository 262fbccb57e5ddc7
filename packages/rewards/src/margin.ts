import { OptionError } from '@tsrl/core';
import { type BinaryReward, type ConfidenceOptions, confidenceWeighted } from './confidence.js';
import type { ConfidenceEntry } from './entry.js';

/** |2p − 1| of an action and of its opposite alike. */
const marginOf = (odds: number): number => Math.tanh(Math.abs(odds) / 2);

/**
 * Confidence is the distance of the probability from one half: r = ±κ w |2p − 1|, |2p − 1| = tanh(|z| / 2).
 * Gap 2 κ w |2p − 1|. **It vanishes at p = 1/2: an undecided policy never moves.** `marginFloor` repairs that.
 *
 * @throws OptionError for an option out of range (see {@link confidenceWeighted})
 */
export const margin = (options: ConfidenceOptions = {}): BinaryReward =>
  confidenceWeighted('margin', marginOf, options);

/** Options of {@link marginFloor}. */
export interface MarginFloorOptions extends ConfidenceOptions {
  /** f in (0, 1]: the confidence at p = 1/2. Default 0.1. */
  readonly floor?: number;
}

/**
 * The margin lifted off zero: r = ±κ w (f + (1 − f) |2p − 1|). Gap 2 κ w (f + (1 − f) |2p − 1|), at least 2 κ w f.
 * At f = 1 it is `constantReward`.
 *
 * @throws OptionError for a floor outside (0, 1] or another option out of range (see {@link confidenceWeighted})
 */
export function marginFloor({ floor = 0.1, ...options }: MarginFloorOptions = {}): BinaryReward {
  if (!(floor > 0 && floor <= 1)) throw new OptionError('marginFloor', 'floor', 'in (0, 1]', floor);
  return confidenceWeighted('marginFloor', (odds) => floor + (1 - floor) * marginOf(odds), options);
}

export const marginEntry: ConfidenceEntry = {
  name: 'margin',
  formula: '±κ w |2p − 1|',
  citation: 'variant of arXiv:2602.02708',
  laws: ['antisymmetric', 'zero-gap-at-one-half'],
  create: margin,
};

export const marginFloorEntry: ConfidenceEntry = {
  name: 'marginFloor',
  formula: '±κ w (f + (1 − f) |2p − 1|)',
  citation: 'variant of arXiv:2602.02708',
  laws: ['antisymmetric', 'positive-gap'],
  create: marginFloor,
};
