import {
  answerLine,
  boxedAnswer,
  type ExactMatchOptions,
  type Extractor,
  exactMatch,
  finalAnswerText,
  hashAnswer,
  inTail,
  lastNumber,
  mathText,
  taggedAnswer,
} from '@tsrl/rewards';
import { CaseError, type GoldenCase, UnmappedError } from '../golden.js';
import { onHost } from '../host.js';
import { flagOf, numberOf, textOf } from '../inputs.js';
import { byFunction, type Family, type Values } from '../outcome.js';
import { plain } from '../plain.js';

function text({ inputs }: GoldenCase, name: string): string {
  const value = inputs[name];
  if (typeof value !== 'string') throw new CaseError(`the case has no text ${name}`);
  return value;
}

/** The score of the case's completion against these gold answers. */
function score(golden: GoldenCase, answer: string | readonly string[], options: ExactMatchOptions): number {
  const [value] = exactMatch(options)([{ completion: text(golden, 'solution'), answer }]);
  return value ?? Number.NaN;
}

/** What the source found, or nothing. */
const found = (golden: GoldenCase, extract: Extractor, of: 'value' | 'match' = 'value'): string | null => {
  const solution = text(golden, 'solution');
  const extraction = extract(solution);
  if (extraction === undefined) return null;
  return of === 'value' ? extraction.value : solution.slice(extraction.start, extraction.end);
};

const asIs = (answer: string): string => answer;

/** The scores of a source for a right answer, a wrong one, and none. */
const paid = (golden: GoldenCase): { readonly correct: number; readonly wrong: number; readonly missing: number } => ({
  correct: numberOf(golden, 'score', 1),
  wrong: numberOf(golden, 'format_score', 0),
  missing: 0,
});

export const rewardsAnswersVerl: Family = byFunction('rewards.answers.verl', {
  'gsm8k.compute_score'(golden) {
    const method = textOf(golden, 'method');
    if (method !== 'strict' && method !== 'flexible') throw new UnmappedError(`no mapping of the method ${method}`);
    const extract = inTail(300, method === 'strict' ? hashAnswer({ run: true }) : lastNumber({ run: true }));
    return onHost({
      score: plain('score', score(golden, text(golden, 'ground_truth'), { extract, normalize: asIs, ...paid(golden) })),
      extracted: plain('extracted', found(golden, extract)),
    });
  },
  'math_reward.compute_score'(golden) {
    const extract = boxedAnswer({ commands: ['\\boxed'] });
    return onHost({
      score: plain('score', score(golden, text(golden, 'ground_truth'), { extract, normalize: mathText })),
      boxed: plain('boxed', found(golden, boxedAnswer(), 'match')),
    });
  },
  'math_dapo.compute_score'(golden) {
    return onHost(flagOf(golden, 'strict_box_verify', false) ? strictBox(golden) : answerOfLine(golden));
  },
  'search_r1_like_qa_em.compute_score, compute_score_subem'(golden) {
    const targets = golden.inputs['targets'];
    if (!Array.isArray(targets)) throw new CaseError('the case has no list targets');
    const options: ExactMatchOptions = { extract: taggedAnswer(), ...paid(golden) };
    const hedging = { limit: 10, factor: 0.25 };
    return onHost({
      exact: plain('exact', score(golden, targets as string[], { ...options, hedging })),
      substring: plain('substring', score(golden, targets as string[], { ...options, match: 'substring' })),
    });
  },
});

function dapo(golden: GoldenCase, options: ExactMatchOptions, pred: string | null): Record<string, Values> {
  const value = score(golden, text(golden, 'ground_truth'), { ...options, wrong: -1 });
  return { score: plain('score', value), acc: plain('acc', value === 1), pred: plain('pred', pred) };
}

function strictBox(golden: GoldenCase): Record<string, Values> {
  const extract = inTail(100, boxedAnswer({ commands: ['\\boxed'] }));
  return dapo(golden, { extract, normalize: asIs }, found(golden, extract));
}

function answerOfLine(golden: GoldenCase): Record<string, Values> {
  const extract = inTail(300, answerLine({ markers: ['answer:'] }));
  const line = found(golden, extract);
  // What the source calls an answer that it did not find.
  const pred = line === null ? '[INVALID]' : finalAnswerText(line);
  return dapo(golden, { extract, normalize: finalAnswerText }, pred);
}
