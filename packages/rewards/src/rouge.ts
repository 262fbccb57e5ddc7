import { OptionError } from '@tsrl/core';
import { type Extractor, wholeText } from './extraction.js';
import { questionAnswerText } from './question-answer-text.js';
import { type AnswerSample, goldAnswers, perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';
import { overlap } from './set-scores.js';
import { ngrams, wordsOf } from './words.js';

/** Options of {@link rouge}. */
export interface RougeOptions {
  /** `L`: the longest common subsequence of words; a number n: n-grams of words. Default `L`. */
  readonly kind?: 'L' | number;
  /** β, positive: recall counts β times as much as precision. Default 1. */
  readonly beta?: number;
  /** Finds the text in the completion. Default all of it. */
  readonly extract?: Extractor;
  /** The normal form, whose words are separated by spaces. Default {@link questionAnswerText}. */
  readonly normalize?: (text: string) => string;
}

/**
 * ROUGE: how much of the gold text the completion has, and of the completion the gold text. With m matches,
 *
 *   P = m / |completion|,  R = m / |gold|,  r = (1 + β²) P R / (R + β² P)
 *
 * counted in words of the longest common subsequence (ROUGE-L) or in n-grams, each no more often than it stands in the
 * gold text (ROUGE-n). 0 where nothing matches; of several gold texts the best counts; `null` where there is none.
 *
 * Differences: no stemming; the normal form drops articles, the original does not (`normalize`).
 *
 * @throws OptionError for an unknown kind, or a β that is not positive
 * @see Lin 2004, "ROUGE: A package for automatic evaluation of summaries"
 */
export function rouge({
  kind = 'L',
  beta = 1,
  extract = wholeText,
  normalize = questionAnswerText,
}: RougeOptions = {}): SyncReward<AnswerSample> {
  if (kind !== 'L' && !(Number.isInteger(kind) && kind > 0)) {
    throw new OptionError('rouge', 'kind', "'L' or a positive integer", kind);
  }
  if (!(beta > 0 && beta < Number.POSITIVE_INFINITY)) {
    throw new OptionError('rouge', 'beta', 'positive and finite', beta);
  }
  const unitsOf = (text: string): readonly string[] => ngrams(wordsOf(normalize(text)), kind === 'L' ? 1 : kind);
  return perSample(({ completion, answer }) => {
    const golds = goldAnswers(answer);
    if (golds === null) return null;
    const given = unitsOf(extract(completion)?.value ?? '');
    return Math.max(
      ...golds.map((gold) => {
        const expected = unitsOf(gold);
        const matches = kind === 'L' ? commonSubsequence(given, expected) : overlap(given, expected);
        if (matches === 0) return 0;
        const [precision, recall] = [matches / given.length, matches / expected.length];
        return ((1 + beta ** 2) * precision * recall) / (recall + beta ** 2 * precision);
      }),
    );
  });
}

/** The length of the longest common subsequence. */
function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  const longest = new Uint32Array(b.length + 1);
  for (const word of a) {
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = longest[j] as number;
      longest[j] = word === b[j - 1] ? diagonal + 1 : Math.max(above, longest[j - 1] as number);
      diagonal = above;
    }
  }
  return longest[b.length] as number;
}

export const rougeEntry: RewardEntry<AnswerSample> = {
  name: 'rouge',
  formula: '(1 + β²) P R / (R + β² P) of the longest common subsequence, or of n-grams',
  citation: 'Lin 2004',
  laws: ['independent', 'text'],
  range: [0, 1],
  example: (rng) => ({
    completion: rng.uniform() < 0.5 ? 'the cat sat on the mat' : 'on the mat lies a cat',
    answer: ['the cat lies on the mat', 'a dog'],
  }),
  inapplicable: { completion: 'x', answer: null },
  score: rouge(),
};
