import { OptionError } from '@tsrl/core';
import { type Extractor, wholeText } from './extraction.js';
import { questionAnswerText } from './question-answer-text.js';
import { type AnswerSample, expectFinite, goldAnswers, perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';

/** Less for completions that offer many answers. */
export interface Hedging {
  /** As many candidates as are not yet hedging, a positive integer. */
  readonly limit: number;
  /** What the score of a right answer is multiplied with beyond. */
  readonly factor: number;
}

/** Options of {@link exactMatch}. */
export interface ExactMatchOptions {
  /** Finds the answer in the completion. Default the whole text. */
  readonly extract?: Extractor;
  /** The normal form that completion and gold are compared in. Default {@link questionAnswerText}. */
  readonly normalize?: (text: string) => string;
  /** `substring`: the gold answer need only stand inside of the answer. Default `equal`. */
  readonly match?: 'equal' | 'substring';
  /** Score of a right answer. Default 1. */
  readonly correct?: number;
  /** Score of a wrong answer. Default 0. */
  readonly wrong?: number;
  /** Score where the extractor finds nothing. Default `wrong`. */
  readonly missing?: number;
  /** Default none. */
  readonly hedging?: Hedging;
}

/**
 * Whether the answer is the gold answer, or one of several, letter by letter in a normal form:
 *
 *   r = correct if N(answer) = N(gold), else wrong
 *
 * `null` where there is no gold answer.
 *
 * Differences: verl's GSM8K score is `extract: inTail(300, hashAnswer({ run: true }))` (flexible: `lastNumber`),
 * `normalize: (text) => text`; its MATH score `extract: boxedAnswer()`, `normalize: mathText`; its DAPO score
 * `extract: inTail(300, answerLine({ markers: ['answer:'] }))`, `normalize: finalAnswerText`, `wrong: -1`; its search
 * score `extract: taggedAnswer()`, `hedging: { limit: 10, factor: 0.25 }`.
 *
 * @throws OptionError for an unknown `match`, a score that is not finite, or a hedging limit below 1
 * @see Rajpurkar et al. 2016, arXiv:1606.05250
 */
export function exactMatch({
  extract = wholeText,
  normalize = questionAnswerText,
  match = 'equal',
  correct = 1,
  wrong = 0,
  missing = wrong,
  hedging = { limit: Number.POSITIVE_INFINITY, factor: 1 },
}: ExactMatchOptions = {}): SyncReward<AnswerSample> {
  if (match !== 'equal' && match !== 'substring') {
    throw new OptionError('exactMatch', 'match', "'equal' or 'substring'", match);
  }
  expectFinite('exactMatch', { correct, wrong, missing, 'hedging.factor': hedging.factor });
  if (!(hedging.limit >= 1)) throw new OptionError('exactMatch', 'hedging.limit', 'at least 1', hedging.limit);
  return perSample(({ completion, answer }) => {
    const golds = goldAnswers(answer);
    if (golds === null) return null;
    const found = extract(completion);
    if (found === undefined) return missing;
    const given = normalize(found.value);
    // Nothing stands inside of everything: a gold answer without a word in its normal form must be met as it is.
    const fits = (gold: string): boolean => (match === 'equal' || gold === '' ? given === gold : given.includes(gold));
    if (!golds.some((gold) => fits(normalize(gold)))) return wrong;
    return found.candidates > hedging.limit ? correct * hedging.factor : correct;
  });
}

export const exactMatchEntry: RewardEntry<AnswerSample> = {
  name: 'exactMatch',
  formula: '1 if N(answer) = N(gold), else 0',
  citation: 'arXiv:1606.05250',
  laws: ['independent', 'text'],
  range: [0, 1],
  example: (rng) => ({
    completion: rng.uniform() < 0.5 ? 'The Eiffel Tower!' : 'Big Ben',
    answer: rng.uniform() < 0.5 ? 'eiffel tower' : ['London', 'big ben'],
  }),
  inapplicable: { completion: 'Paris', answer: null },
  score: exactMatch(),
};
