import { OptionError } from '@tsrl/core';
import type { Extractor } from './extraction.js';
import { count } from './tagged-answer.js';

/** Options of {@link afterReasoning}. */
export interface AfterReasoningOptions {
  /** Default `</think>`. */
  readonly delimiter?: string;
}

/**
 * The text behind the last `</think>`, trimmed. A completion that never closes its reasoning has no answer.
 *
 * @throws OptionError for an empty delimiter
 */
export function afterReasoning({ delimiter = '</think>' }: AfterReasoningOptions = {}): Extractor {
  if (delimiter === '') throw new OptionError('afterReasoning', 'delimiter', 'not empty', delimiter);
  return (text) => {
    const at = text.lastIndexOf(delimiter);
    if (at < 0) return undefined;
    const start = at + delimiter.length;
    const value = text.slice(start).trim();
    return { value, start, end: text.length, method: 'afterReasoning', candidates: count(text, delimiter) };
  };
}
