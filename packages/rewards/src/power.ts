import { OptionError, softplus } from '@tsrl/core';
import { type BinaryReward, type ConfidenceOptions, confidenceWeighted } from './confidence.js';
import type { ConfidenceEntry } from './entry.js';

/** Options of {@link power}. */
export interface PowerOptions extends ConfidenceOptions {
  /** q, at least 0: 0 is `constantReward`, 1 is `probReward`. */
  readonly exponent: number;
}

/**
 * Confidence is a power of the probability of the action: r = ±κ w p_a^q, p_a^q = exp(−q softplus(−z_a)).
 * Gap κ w (p^q + (1 − p)^q).
 *
 * @throws OptionError for an exponent that is negative or not finite, or another option out of range (see
 * {@link confidenceWeighted})
 */
export function power({ exponent, ...options }: PowerOptions): BinaryReward {
  if (!(exponent >= 0 && exponent < Number.POSITIVE_INFINITY)) {
    throw new OptionError('power', 'exponent', 'a finite number of at least 0', exponent);
  }
  return confidenceWeighted('power', (odds) => Math.exp(-exponent * softplus(-odds)), options);
}

export const powerEntry: ConfidenceEntry = {
  name: 'power',
  formula: '±κ w p_a^q',
  citation: 'variant of arXiv:2602.02708',
  laws: ['antisymmetric', 'positive-gap'],
  create: (options) => power({ exponent: 2, ...options }),
};
