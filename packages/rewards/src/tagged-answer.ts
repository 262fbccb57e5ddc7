import { OptionError } from '@tsrl/core';
import { checkPick, type Extraction, type Extractor, type PickOptions } from './extraction.js';

/** Options of {@link taggedAnswer}. */
export interface TaggedAnswerOptions extends PickOptions {
  /** Default `answer`. */
  readonly tag?: string;
}

/**
 * The content of the last `<answer>…</answer>`, trimmed. `candidates` is the number of opening or of closing tags,
 * whichever is larger.
 *
 * @throws OptionError for an unknown `pick`, or an empty tag
 */
export function taggedAnswer({ pick = 'last', tag = 'answer' }: TaggedAnswerOptions = {}): Extractor {
  checkPick('taggedAnswer', pick);
  if (tag === '') throw new OptionError('taggedAnswer', 'tag', 'not empty', tag);
  const open = `<${tag}>`;
  const close = `</${tag}>`;
  return (text) => {
    let found: Omit<Extraction, 'candidates'> | undefined;
    for (let start = text.indexOf(open); start >= 0; ) {
      const until = text.indexOf(close, start + open.length);
      if (until < 0) break;
      const value = text.slice(start + open.length, until).trim();
      found = { value, start, end: until + close.length, method: 'taggedAnswer' };
      if (pick === 'first') break;
      start = text.indexOf(open, found.end);
    }
    return found && { ...found, candidates: Math.max(count(text, open), count(text, close)) };
  };
}

/** How often `part` stands in `text`, without overlap. */
export function count(text: string, part: string): number {
  let times = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) times += 1;
  return times;
}
