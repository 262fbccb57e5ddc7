import { OptionError } from '@tsrl/core';
import { boxedAnswer } from './boxed-answer.js';
import { type Extractor, firstFound } from './extraction.js';
import { hashAnswer } from './hash-answer.js';
import { lastNumber } from './last-number.js';
import { type ParsedNumber, parseNumber } from './parse-number.js';
import { type AnswerSample, goldAnswers, perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';

/** Options of {@link numericMatch}. */
export interface NumericMatchOptions {
  /** Finds the answer in the completion. Default a box, else `####`, else the last number. */
  readonly extract?: Extractor;
  /** Relative tolerance, in [0, 1). Default 1e-4. */
  readonly relative?: number;
  /** Absolute tolerance, at least 0. Default 1e-9. */
  readonly absolute?: number;
  /** Also accept the gold value times 100 and by 100. Default false: it rewards errors of unit. */
  readonly percentTolerant?: boolean;
  /** A gold answer that is written as a whole number must be met exactly. Default false. */
  readonly strictInteger?: boolean;
}

/**
 * Whether the answer is the same number as the gold answer (see {@link parseNumber}):
 *
 *   r = 1 if |a − b| ≤ max(absolute, relative · max(|a|, |b|)), else 0
 *
 * `null` where no gold answer is a number: a bad label must not punish the model.
 *
 * @throws OptionError for a tolerance out of range
 */
export function numericMatch({
  extract = firstFound(boxedAnswer(), hashAnswer(), lastNumber()),
  relative = 1e-4,
  absolute = 1e-9,
  percentTolerant = false,
  strictInteger = false,
}: NumericMatchOptions = {}): SyncReward<AnswerSample> {
  if (!(relative >= 0 && relative < 1)) throw new OptionError('numericMatch', 'relative', 'in [0, 1)', relative);
  if (!(absolute >= 0 && absolute < Number.POSITIVE_INFINITY)) {
    throw new OptionError('numericMatch', 'absolute', 'a finite number of at least 0', absolute);
  }
  const close = (a: number, b: number): boolean =>
    Math.abs(a - b) <= Math.max(absolute, relative * Math.max(Math.abs(a), Math.abs(b)));
  const equal = (given: number, gold: ParsedNumber): boolean => {
    if (strictInteger && gold.whole) return given === gold.value;
    // Times 100 a gold value may be infinite, and any number is within a share of infinity.
    const accepted = percentTolerant ? [gold.value, gold.value * 100, gold.value / 100] : [gold.value];
    return accepted.some((value) => Number.isFinite(value) && close(given, value));
  };
  return perSample(({ completion, answer }) => {
    const golds = (goldAnswers(answer) ?? []).map(parseNumber).filter((gold) => gold !== undefined);
    if (golds.length === 0) return null;
    const given = parseNumber(extract(completion)?.value ?? '');
    return given !== undefined && golds.some((gold) => equal(given.value, gold)) ? 1 : 0;
  });
}

export const numericMatchEntry: RewardEntry<AnswerSample> = {
  name: 'numericMatch',
  formula: '1 if |a − b| ≤ max(absolute, relative · max(|a|, |b|)), else 0',
  citation: 'in the tradition of GSM8K, arXiv:2110.14168',
  laws: ['independent', 'text'],
  range: [0, 1],
  example: (rng) => ({
    completion: `so \\boxed{${Math.floor(rng.uniform() * 3)}.50} #### 7`,
    answer: rng.uniform() < 0.5 ? '3/2' : ['150%', '1,000'],
  }),
  inapplicable: { completion: '#### 7', answer: 'seven' },
  score: numericMatch(),
};
