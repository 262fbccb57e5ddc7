import { OptionError } from '@tsrl/core';
import type { JudgedLengthSample } from './cosine-length.js';
import { expectFinite, lengthIn, perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';

/** What {@link targetLength} reads. */
export interface TargetLengthSample extends JudgedLengthSample {
  /** n*, the length in tokens that the prompt asks for. */
  readonly target: number;
}

/** Options of {@link targetLength}. */
export interface TargetLengthOptions {
  /** `exact`: n* is the goal. `maximum`: n* is a budget. Default `exact`. */
  readonly kind?: 'exact' | 'maximum';
  /** α, what a token costs, at least 0. Default 3e-4. */
  readonly alpha?: number;
  /** δ of `maximum`, in [0, 1]: what is left to a right completion on the budget. Default 0.5. */
  readonly delta?: number;
}

/**
 * Correctness c and a length that the prompt asks for, n* tokens:
 *
 *   exact    r = c − α |n* − n|
 *   maximum  r = c · clip(α (n* − n) + δ, 0, 1)
 *
 * `null` where correctness is.
 *
 * @throws OptionError for an option out of range; DataError for a length or target that is not finite and at least 0
 * @see Aggarwal and Welleck 2025, arXiv:2503.04697 (L1), equations 1 and 2
 */
export function targetLength({
  kind = 'exact',
  alpha = 3e-4,
  delta = 0.5,
}: TargetLengthOptions = {}): SyncReward<TargetLengthSample> {
  if (kind !== 'exact' && kind !== 'maximum') {
    throw new OptionError('targetLength', 'kind', "'exact' or 'maximum'", kind);
  }
  expectFinite('targetLength', { alpha });
  if (!(alpha >= 0)) throw new OptionError('targetLength', 'alpha', 'at least 0', alpha);
  if (!(delta >= 0 && delta <= 1)) throw new OptionError('targetLength', 'delta', 'in [0, 1]', delta);
  return perSample(({ length, correct, target }) => {
    if (correct === null) return null;
    const over = lengthIn('targetLength', length) - lengthIn('targetLength', target, 'target');
    if (kind === 'exact') return (correct ? 1 : 0) - alpha * Math.abs(over);
    return correct ? Math.min(Math.max(delta - alpha * over, 0), 1) : 0;
  });
}

export const targetLengthEntry: RewardEntry<TargetLengthSample> = {
  name: 'targetLength',
  formula: 'c − α |n* − n|, or c · clip(α (n* − n) + δ, 0, 1)',
  citation: 'arXiv:2503.04697',
  laws: ['independent'],
  range: [Number.NEGATIVE_INFINITY, 1],
  example: (rng) => ({ length: Math.floor(rng.uniform() * 999), correct: rng.uniform() < 0.5, target: 500 }),
  inapplicable: { length: 3, correct: null, target: 5 },
  score: targetLength(),
};
