import { OptionError, softplus } from '@tsrl/core';
import { type BinaryReward, type ConfidenceOptions, confidenceWeighted } from './confidence.js';
import type { ConfidenceEntry } from './entry.js';

/** Options of {@link tempered}. */
export interface TemperedOptions extends ConfidenceOptions {
  /** q, in (0, 1]: towards 0 it is `logComplement` without a cap, 1 is `probReward`. */
  readonly q: number;
}

/**
 * Between the logarithm and the probability: confidence is the Box-Cox transform of what the action leaves over,
 *
 *   r = ±κ w (1 − (1 − p_a)^q) / q,   (1 − p_a)^q = exp(−q softplus(z_a))
 *
 * It is what generalised cross-entropy, (1 − p^q) / q, does to the logarithm of a loss, done to that of the reward: the
 * confidence in an action is that loss of the other action. It grows with p_a from 0 to 1 / q, so that q bounds by itself
 * what `logComplement` needs a cap for: the label of a sure policy, be it wrong, weighs 1 / q at most.
 * Gap κ w (2 − p^q − (1 − p)^q) / q, from 2 κ w (1 − 2^−q) / q upwards at p = 1/2 to κ w / q where the policy is sure.
 *
 * @throws OptionError for a q outside (0, 1], or another option out of range (see {@link confidenceWeighted})
 * @see Zhang and Sabuncu 2018, arXiv:1805.07836, for the transform, of a loss
 */
export function tempered({ q, ...options }: TemperedOptions): BinaryReward {
  if (!(q > 0 && q <= 1)) throw new OptionError('tempered', 'q', 'in (0, 1]', q);
  return confidenceWeighted('tempered', (odds) => -Math.expm1(-q * softplus(odds)) / q, options);
}

export const temperedEntry: ConfidenceEntry = {
  name: 'tempered',
  formula: '±κ w (1 − (1 − p_a)^q) / q',
  citation: 'variant of arXiv:2602.02708, by the transform of arXiv:1805.07836',
  laws: ['antisymmetric', 'positive-gap'],
  create: (options) => tempered({ q: 0.5, ...options }),
};
