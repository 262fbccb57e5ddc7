import { OptionError } from '@tsrl/core';
import { perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';

/** What rewards of tokens read. */
export interface TokensSample {
  /** Ids of the tokens of the completion. */
  readonly tokens: ArrayLike<number>;
}

/** Options of {@link repetitionPenalty}. */
export interface RepetitionPenaltyOptions {
  /** n, a positive integer. Default 3. */
  readonly ngram?: number;
  /** P, at most 0: the score of endless repetition. Default -1. */
  readonly maxPenalty?: number;
  /** What is repeated: `ngrams`, or the `tokens` that a repeated n-gram covers. Default `ngrams`. */
  readonly share?: 'ngrams' | 'tokens';
}

/**
 * A penalty for saying things twice: of the n-grams of tokens,
 *
 *   r = P (1 − unique / all)
 *
 * or, with `share: 'tokens'`, P times the share of tokens that lie in an n-gram which stood there before. 0 for fewer
 * than n tokens. In [P, 0].
 *
 * @throws OptionError for an n that is no positive integer, a penalty above 0, or an unknown `share`
 * @see Yeo et al. 2025, arXiv:2502.03373, section 4.3 (whose form is `tokens`); `ngrams` is TRL's
 */
export function repetitionPenalty({
  ngram = 3,
  maxPenalty = -1,
  share = 'ngrams',
}: RepetitionPenaltyOptions = {}): SyncReward<TokensSample> {
  const who = 'repetitionPenalty';
  if (!(Number.isInteger(ngram) && ngram > 0)) throw new OptionError(who, 'ngram', 'a positive integer', ngram);
  if (!(maxPenalty <= 0 && maxPenalty > Number.NEGATIVE_INFINITY)) {
    throw new OptionError(who, 'maxPenalty', 'finite and at most 0', maxPenalty);
  }
  if (share !== 'ngrams' && share !== 'tokens') throw new OptionError(who, 'share', "'ngrams' or 'tokens'", share);
  return perSample(({ tokens }) => {
    const ids = ngramIds(tokens, ngram);
    if (ids.length === 0) return 0;
    const seen = new Set<number>();
    const covered = new Uint8Array(tokens.length);
    ids.forEach((id, at) => {
      if (seen.has(id)) covered.fill(1, at, at + ngram);
      seen.add(id);
    });
    const repeated =
      share === 'ngrams' ? 1 - seen.size / ids.length : covered.reduce((n, c) => n + c, 0) / tokens.length;
    return repeated === 0 ? 0 : maxPenalty * repeated;
  });
}

/** A number for the n-gram that begins at each token: equal n-grams, and only they, have equal numbers. */
function ngramIds(tokens: ArrayLike<number>, n: number): readonly number[] {
  let ids = intern(Array.from(tokens, (token) => token));
  const single = ids;
  for (let length = 1; length < n && ids.length > 0; length++) {
    const size = single.length + 1;
    ids = intern(ids.slice(0, -1).map((id, at) => id * size + (single[at + length] as number)));
  }
  return ids;
}

/** The same values as small numbers. */
function intern(values: readonly number[]): readonly number[] {
  const numbers = new Map<number, number>();
  return values.map((value) => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    numbers.set(value, numbers.size);
    return numbers.size - 1;
  });
}

export const repetitionPenaltyEntry: RewardEntry<TokensSample> = {
  name: 'repetitionPenalty',
  formula: 'P (1 − unique n-grams / n-grams)',
  citation: 'arXiv:2502.03373',
  laws: ['independent'],
  range: [-1, 0],
  example: (rng) => ({
    tokens: Array.from({ length: Math.floor(rng.uniform() * 12) }, () => Math.floor(rng.uniform() * 3)),
  }),
  score: repetitionPenalty(),
};
