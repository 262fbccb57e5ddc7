import { OptionError } from '@tsrl/core';
import { type Extractor, wholeText } from './extraction.js';
import { questionAnswerText } from './question-answer-text.js';
import { type AnswerSample, goldAnswers, perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';
import { overlap } from './set-scores.js';
import { ngrams, wordsOf } from './words.js';

/** Options of {@link bleu}. */
export interface BleuOptions {
  /** The longest n-grams, a positive integer. Default 4. */
  readonly order?: number;
  /** Finds the text in the completion. Default all of it. */
  readonly extract?: Extractor;
  /** The normal form, whose words are separated by spaces. Default {@link questionAnswerText}. */
  readonly normalize?: (text: string) => string;
}

/**
 * BLEU of one sentence: with m_n matching n-grams of c_n in the completion, |ŷ| and |y| its length and that of the
 * gold text in words,
 *
 *   r = min(1, exp(1 − |y| / |ŷ|)) · (p_1 … p_N)^{1/N},  p_1 = m_1 / c_1,  p_n = (m_n + 1) / (c_n + 1) for n ≥ 2
 *
 * 0 for an empty completion; of several gold texts the best counts, each by itself; `null` where there is none.
 *
 * Differences: the original is of a corpus, has no smoothing and pools the references.
 *
 * @throws OptionError for an order that is no positive integer
 * @see Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation"; smoothing of Lin and Och
 * 2004
 */
export function bleu({
  order = 4,
  extract = wholeText,
  normalize = questionAnswerText,
}: BleuOptions = {}): SyncReward<AnswerSample> {
  if (!(Number.isInteger(order) && order > 0)) throw new OptionError('bleu', 'order', 'a positive integer', order);
  return perSample(({ completion, answer }) => {
    const golds = goldAnswers(answer);
    if (golds === null) return null;
    const given = wordsOf(normalize(extract(completion)?.value ?? ''));
    if (given.length === 0) return 0;
    return Math.max(
      ...golds.map((gold) => {
        const expected = wordsOf(normalize(gold));
        let product = Math.min(1, Math.exp(1 - expected.length / given.length)) ** order;
        for (let n = 1; n <= order; n++) {
          const [candidates, wanted] = [ngrams(given, n), ngrams(expected, n)];
          const more = n === 1 ? 0 : 1;
          product *= (overlap(candidates, wanted) + more) / (candidates.length + more);
        }
        return product ** (1 / order);
      }),
    );
  });
}

export const bleuEntry: RewardEntry<AnswerSample> = {
  name: 'bleu',
  formula: 'min(1, exp(1 − |y|/|ŷ|)) · (p_1 … p_N)^{1/N}',
  citation: 'Papineni et al. 2002',
  laws: ['independent', 'text'],
  range: [0, 1],
  example: (rng) => ({
    completion: rng.uniform() < 0.5 ? 'the cat sat on the mat' : 'on the mat lies a cat',
    answer: ['the cat lies on the mat', 'a dog'],
  }),
  inapplicable: { completion: 'x', answer: null },
  score: bleu(),
};
