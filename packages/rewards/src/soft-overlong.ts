import { OptionError } from '@tsrl/core';
import { lengthIn, perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';

/** What rewards of length read. */
export interface LengthSample {
  /** Of the completion, in tokens. */
  readonly length: number;
}

/** Options of {@link softOverlong}. */
export interface SoftOverlongOptions {
  /** L_max in tokens, positive. The paper has 20480. */
  readonly maxLength: number;
  /** L_c in tokens, in [0, L_max]: how long the penalty takes to grow. The paper has 4096. 0: a step. */
  readonly cache: number;
  /** The largest penalty, positive. Default 1. */
  readonly weight?: number;
  /** false: beyond L_max the penalty keeps growing. Default true. */
  readonly bounded?: boolean;
}

/**
 * DAPO's soft punishment of overlong completions, with n tokens and x = (n − (L_max − L_c)) / L_c:
 *
 *   r = −weight · clip(x, 0, 1)
 *
 * Differences: verl is `bounded: false`; TRL has no weight; OpenRLHF is this. Masking overlong completions out of the
 * loss instead is a matter of the mask, not of the reward.
 *
 * @throws OptionError for a length or weight that is not positive, a cache outside [0, L_max], or a cache of 0 that is
 * not bounded; DataError for a length of a completion that is not finite and at least 0
 * @see Yu et al. 2025, arXiv:2503.14476, equation 13
 */
export function softOverlong({
  maxLength,
  cache,
  weight = 1,
  bounded = true,
}: SoftOverlongOptions): SyncReward<LengthSample> {
  const who = 'softOverlong';
  const positive = (x: number): boolean => x > 0 && x < Number.POSITIVE_INFINITY;
  if (!positive(maxLength)) throw new OptionError(who, 'maxLength', 'positive and finite', maxLength);
  if (!positive(weight)) throw new OptionError(who, 'weight', 'positive and finite', weight);
  if (!(cache >= 0 && cache <= maxLength)) throw new OptionError(who, 'cache', 'in [0, maxLength]', cache);
  if (cache === 0 && !bounded) throw new OptionError(who, 'cache', 'positive where the penalty has no bound', cache);
  return perSample(({ length }) => {
    const excess = lengthIn(who, length) - (maxLength - cache);
    if (excess <= 0) return 0;
    return -weight * (bounded && excess >= cache ? 1 : excess / cache);
  });
}

export const softOverlongEntry: RewardEntry<LengthSample> = {
  name: 'softOverlong',
  formula: '−clip((n − (L_max − L_c)) / L_c, 0, 1)',
  citation: 'arXiv:2503.14476',
  laws: ['independent'],
  range: [-1, 0],
  example: (rng) => ({ length: Math.floor(rng.uniform() * 150) }),
  score: softOverlong({ maxLength: 100, cache: 20 }),
};
