import { DataError, OptionError } from '@tsrl/core';

/** One score per sample; `null` means 'this reward does not apply here' and is never the same as 0. */
export type Scores = readonly (number | null)[];

/**
 * Samples in, one score per sample out, in their order. A reward is pure: it reads its samples and nothing else.
 * What it needs of a sample is in its type, so that a forgotten column is a compile error.
 */
export type Reward<in Sample> = (samples: readonly Sample[]) => Scores | Promise<Scores>;

/** A reward that answers at once: every one of this library but hooks and compositions. */
export type SyncReward<in Sample> = (samples: readonly Sample[]) => Scores;

/** What rewards of text read. */
export interface CompletionSample {
  /** The whole text of the completion. Of a conversation: {@link lastAssistantText}. */
  readonly completion: string;
}

/** What rewards that compare with the gold answer read. */
export interface AnswerSample extends CompletionSample {
  /** The gold answer, or several of which any is right. `null` where there is none: the score is `null`. */
  readonly answer: string | readonly string[] | null;
}

/** One message of a conversation. */
export interface Message {
  readonly role: string;
  readonly content: string;
}

/** The text that is scored in a conversation: the last message of the assistant, '' where there is none. */
export function lastAssistantText(messages: readonly Message[]): string {
  return messages.findLast(({ role }) => role === 'assistant')?.content ?? '';
}

/** The gold answers of a sample; `null` where there is none. */
export function goldAnswers(answer: AnswerSample['answer']): readonly string[] | null {
  if (answer === null) return null;
  if (typeof answer === 'string') return [answer];
  return answer.length === 0 ? null : answer;
}

/** A reward whose score of a sample depends on that sample alone. */
export const perSample =
  <Sample>(score: (sample: Sample) => number | null): SyncReward<Sample> =>
  (samples) =>
    samples.map(score);

/** The length of a completion; throws a DataError unless it is finite and at least 0. */
export function lengthIn(who: string, length: number, name: string = 'length'): number {
  if (!(length >= 0 && length < Number.POSITIVE_INFINITY)) {
    throw new DataError(who, `${name} must be finite and at least 0; got ${length}`);
  }
  return length;
}

/** Throws an OptionError unless every named option is a finite number. */
export function expectFinite(who: string, options: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Number.isFinite(value)) throw new OptionError(who, name, 'finite', value);
  }
}
