import { OptionError } from '@tsrl/core';
import {
  type AnswerSample,
  answerLine,
  boxedAnswer,
  type Extractor,
  firstFound,
  goldAnswers,
  hashAnswer,
  lastNumber,
  perSample,
  type RewardEntry,
  type SyncReward,
} from '@tsrl/rewards';
import { type MathEquivalenceOptions, mathEquivalence } from './math-equivalence.js';

/** Options of {@link mathMatch}. */
export interface MathMatchOptions extends MathEquivalenceOptions {
  /** Finds the answer in the completion. Default a box, else `####`, else `Answer:`, else the last number. */
  readonly extract?: Extractor;
  /** Score of a right answer. Default 1. */
  readonly correct?: number;
  /** Score of a wrong answer, or of none. Default 0. */
  readonly wrong?: number;
}

const inGold = firstFound(boxedAnswer(), hashAnswer());

/**
 * Whether the answer of a completion is mathematically the gold answer, or one of several (see
 * {@link mathEquivalence}). A gold answer may be a solution with a box or `####`.
 *
 * `null` where there is no gold answer that can be read: a bad label must not punish the model.
 *
 * Differences: verl's DAPO score is `wrong: -1`; TRL's `reasoning_accuracy_reward` is
 * `extract: within(afterReasoning(), boxedAnswer())`.
 *
 * @throws OptionError for an option out of range
 * @see Hendrycks et al. 2021, arXiv:2103.03874
 */
export function mathMatch({
  extract = firstFound(boxedAnswer(), hashAnswer(), answerLine(), lastNumber()),
  correct = 1,
  wrong = 0,
  ...options
}: MathMatchOptions = {}): SyncReward<AnswerSample> {
  for (const [name, score] of Object.entries({ correct, wrong })) {
    if (!Number.isFinite(score)) throw new OptionError('mathMatch', name, 'finite', score);
  }
  const equivalent = mathEquivalence(options);
  return perSample(({ completion, answer }) => {
    const found = extract(completion);
    const verdicts = (goldAnswers(answer) ?? []).map((gold) =>
      // An answer that is empty asks only whether the gold answer can be read.
      equivalent(found?.value ?? '', inGold(gold)?.value ?? gold),
    );
    if (verdicts.every((verdict) => verdict === null)) return null;
    return verdicts.some((verdict) => verdict?.equal) ? correct : wrong;
  });
}

export const mathMatchEntry: RewardEntry<AnswerSample> = {
  name: 'mathMatch',
  formula: '1 if answer and gold are mathematically equal, else 0',
  citation: 'arXiv:2103.03874',
  laws: ['independent', 'text'],
  range: [0, 1],
  example: (rng) => ({
    completion: rng.uniform() < 0.5 ? 'so \\boxed{\\frac{1}{2}}' : 'The answer is 50%.',
    answer: rng.uniform() < 0.5 ? '\\dfrac12' : ['x = 3', '1:2'],
  }),
  inapplicable: { completion: '\\boxed{7}', answer: '\\undefined{' },
  score: mathMatch(),
};
