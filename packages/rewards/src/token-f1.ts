import { type Extractor, wholeText } from './extraction.js';
import { questionAnswerText } from './question-answer-text.js';
import { type AnswerSample, goldAnswers, perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';
import { overlap } from './set-scores.js';

/** Options of {@link tokenF1}. */
export interface TokenF1Options {
  /** Finds the answer in the completion. Default the whole text. */
  readonly extract?: Extractor;
  /** The normal form, whose words are separated by spaces. Default {@link questionAnswerText}. */
  readonly normalize?: (text: string) => string;
}

/**
 * F1 of the words of the answer and of the gold answer as multisets: with o words in common,
 *
 *   r = 2 o / (|answer| + |gold|)
 *
 * which is 1 when both are empty, and 0 when one is or nothing is found. Of several gold answers the best counts;
 * `null` where there is none.
 *
 * @see Rajpurkar et al. 2016, arXiv:1606.05250
 */
export function tokenF1({
  extract = wholeText,
  normalize = questionAnswerText,
}: TokenF1Options = {}): SyncReward<AnswerSample> {
  const words = (text: string): readonly string[] =>
    normalize(text)
      .split(' ')
      .filter((word) => word !== '');
  return perSample(({ completion, answer }) => {
    const golds = goldAnswers(answer);
    if (golds === null) return null;
    const found = extract(completion);
    if (found === undefined) return 0;
    const given = words(found.value);
    return Math.max(
      ...golds.map((gold) => {
        const expected = words(gold);
        const total = given.length + expected.length;
        return total === 0 ? 1 : (2 * overlap(given, expected)) / total;
      }),
    );
  });
}

export const tokenF1Entry: RewardEntry<AnswerSample> = {
  name: 'tokenF1',
  formula: '2 |answer ∩ gold| / (|answer| + |gold|)',
  citation: 'arXiv:1606.05250',
  laws: ['independent', 'text'],
  range: [0, 1],
  example: (rng) => ({
    completion: rng.uniform() < 0.5 ? 'the red house' : 'a red car and a house',
    answer: 'red house',
  }),
  inapplicable: { completion: 'Paris', answer: [] },
  score: tokenF1(),
};
