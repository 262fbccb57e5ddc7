import { expectSameGrid, type Grid, OptionError, zeros } from '@tsrl/core';
import { expectFiniteWhere, expectMask } from './masked-input.js';

/** Options of {@link cutpointStarts}. */
export interface CutpointOptions {
  /** A token of a lower probability is a candidate; positive. Default 0.9; above 1, every token is one. */
  readonly threshold?: number;
  /** Every how many candidates a segment starts, counted from the first; at least 1. Default 5. */
  readonly interval?: number;
}

/**
 * Starts of segments where the policy had a choice: at every `interval`-th token whose probability was below the
 * threshold, beginning with the first. So a segment begins with such a token, and the state whose value is wanted is
 * the one before it.
 *
 * @param oldLogProbs of the behaviour policy, [B, T]
 * @param mask        1 where a token counts, [B, T]
 * @returns 1 where a segment starts, [B, T]: the `starts` of `segmentSpo`
 * @throws OptionError for an option out of range, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when a log-probability that counts is not finite
 * @see Guo et al. 2025, arXiv:2505.23564
 */
export function cutpointStarts(
  { oldLogProbs, mask }: { readonly oldLogProbs: Grid; readonly mask: Grid },
  { threshold = 0.9, interval = 5 }: CutpointOptions = {},
): Grid {
  if (!(threshold > 0 && threshold < Number.POSITIVE_INFINITY)) {
    throw new OptionError('cutpointStarts', 'threshold', 'positive and finite', threshold);
  }
  expectCount('cutpointStarts', 'interval', interval);
  expectSameGrid('cutpointStarts', { oldLogProbs, mask });
  expectMask('cutpointStarts', mask);
  expectFiniteWhere('cutpointStarts', 'oldLogProbs', oldLogProbs, mask);
  const candidate = (at: number): boolean => Math.exp(oldLogProbs.data[at] as number) < threshold;
  return startsWhere(mask, (tokens) => tokens.filter(candidate).filter((_, i) => i % interval === 0));
}

/**
 * Starts of segments of `tokens` valid tokens each, the last of a row maybe shorter; or of `segments` segments per row
 * whose lengths differ by at most 1, the longer ones first (fewer where a row has fewer tokens).
 *
 * @param mask 1 where a token counts, [B, T]
 * @returns 1 where a segment starts, [B, T]: the `starts` of `segmentSpo`; the first valid token of a row always
 * @throws OptionError unless the number is a whole one of at least 1, DataError when the mask is not 0 or 1
 * @see Guo et al. 2025, arXiv:2505.23564
 */
export function fixedStarts(mask: Grid, by: { readonly tokens: number } | { readonly segments: number }): Grid {
  const [name, n] = 'tokens' in by ? (['tokens', by.tokens] as const) : (['segments', by.segments] as const);
  expectCount('fixedStarts', name, n);
  expectSameGrid('fixedStarts', { mask });
  expectMask('fixedStarts', mask);
  return startsWhere(mask, (tokens) => {
    if (name === 'tokens') return tokens.filter((_, i) => i % n === 0);
    const [short, longer] = [Math.floor(tokens.length / n), tokens.length % n];
    const first = (segment: number): number => segment * short + Math.min(segment, longer);
    return Array.from({ length: Math.min(n, tokens.length) }, (_, segment) => tokens[first(segment)] as number);
  });
}

/** 1 at those positions of the valid tokens of each row that `choose` gives back. */
function startsWhere(mask: Grid, choose: (tokens: readonly number[]) => readonly number[]): Grid {
  const starts = zeros(mask.rows, mask.columns);
  for (let row = 0; row < mask.rows; row++) {
    const tokens: number[] = [];
    for (let at = row * mask.columns; at < (row + 1) * mask.columns; at++) if (mask.data[at] === 1) tokens.push(at);
    for (const at of choose(tokens)) starts.data[at] = 1;
  }
  return starts;
}

function expectCount(who: string, name: string, n: number): void {
  if (!(Number.isInteger(n) && n >= 1)) throw new OptionError(who, name, 'a whole number of at least 1', n);
}
