import { OptionError } from '@tsrl/core';
import { expectFinite, lengthIn, perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';

/** What rewards of length and correctness read. */
export interface JudgedLengthSample {
  /** Of the completion, in tokens. */
  readonly length: number;
  /** `null` where it cannot be judged. */
  readonly correct: boolean | null;
}

/** Options of {@link cosineLength}. */
export interface CosineLengthOptions {
  /** L in tokens, positive. */
  readonly maxLength: number;
  /** Score of a right completion of length 0, and of length L and more. Default [1, 0.5]. */
  readonly correct?: readonly [number, number];
  /** The same of a wrong one: the longer, the less it is punished. Default [-1, -0.5]. */
  readonly wrong?: readonly [number, number];
  /** Score of a completion of length L and more, right or wrong. Default as above. */
  readonly exceeded?: number;
}

/**
 * Correctness, scaled along half a cosine by the length n: with u = min(n / L, 1), from v₀ at 0 to v₁ at L
 *
 *   r = v₁ + ½ (v₀ − v₁) (1 + cos(π u))
 *
 * so that short right and long wrong completions are better than long right and short wrong ones. `null` where
 * correctness is.
 *
 * Differences: the paper gives completions that reach L a fixed penalty (`exceeded: -10`); TRL does not.
 *
 * @throws OptionError for a length that is not positive, or a value that is not finite; DataError for a length of a
 * completion that is not finite and at least 0
 * @see Yeo et al. 2025, arXiv:2502.03373, section 4.2
 */
export function cosineLength({
  maxLength,
  correct = [1, 0.5],
  wrong = [-1, -0.5],
  exceeded,
}: CosineLengthOptions): SyncReward<JudgedLengthSample> {
  if (!(maxLength > 0 && maxLength < Number.POSITIVE_INFINITY)) {
    throw new OptionError('cosineLength', 'maxLength', 'positive and finite', maxLength);
  }
  expectFinite('cosineLength', { 'correct[0]': correct[0], 'correct[1]': correct[1] });
  expectFinite('cosineLength', { 'wrong[0]': wrong[0], 'wrong[1]': wrong[1], exceeded: exceeded ?? 0 });
  return perSample((sample) => {
    if (sample.correct === null) return null;
    const length = lengthIn('cosineLength', sample.length);
    if (exceeded !== undefined && length >= maxLength) return exceeded;
    const [atZero, atMaximum] = sample.correct ? correct : wrong;
    const progress = Math.min(length / maxLength, 1);
    return atMaximum + 0.5 * (atZero - atMaximum) * (1 + Math.cos(Math.PI * progress));
  });
}

export const cosineLengthEntry: RewardEntry<JudgedLengthSample> = {
  name: 'cosineLength',
  formula: 'v₁ + ½ (v₀ − v₁) (1 + cos(π min(n/L, 1)))',
  citation: 'arXiv:2502.03373',
  laws: ['independent'],
  range: [-1, 1],
  example: (rng) => ({ length: Math.floor(rng.uniform() * 150), correct: rng.uniform() < 0.5 }),
  inapplicable: { length: 3, correct: null },
  score: cosineLength({ maxLength: 100 }),
};
