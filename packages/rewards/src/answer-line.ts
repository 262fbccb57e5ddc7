import { OptionError } from '@tsrl/core';
import { checkPick, type Extractor, type PickOptions } from './extraction.js';

/** Options of {@link answerLine}. */
export interface AnswerLineOptions extends PickOptions {
  /** What introduces the answer, in lower case; white space may stand before a final colon. Default 'answer:', 'answer is'. */
  readonly markers?: readonly string[];
}

/**
 * The rest of the line behind the last `Answer:` or `answer is`, in any case, trimmed. Where the line ends there, the
 * next line that is not blank.
 *
 * Differences: verl's DAPO score knows `markers: ['answer:']` only and looks at the last 300 characters
 * ({@link inTail}); of two markers in one line it takes the first.
 *
 * @throws OptionError for an unknown `pick`, or without markers
 */
export function answerLine({ pick = 'last', markers = ['answer:', 'answer is'] }: AnswerLineOptions = {}): Extractor {
  checkPick('answerLine', pick);
  if (markers.length === 0 || markers.some((marker) => marker.replace(':', '') === '')) {
    throw new OptionError('answerLine', 'markers', 'one or more, none of them empty', markers);
  }
  return (text) => {
    let place: { readonly at: number; readonly start: number } | undefined;
    let candidates = 0;
    for (let at = 0; at < text.length; at++) {
      const from = markers.reduce((end, marker) => Math.max(end, endOfMarker(text, at, marker)), -1);
      if (from < 0) continue;
      const start = skipSpace(text, from);
      if (start === text.length) continue;
      candidates += 1;
      if (pick === 'last' || place === undefined) place = { at, start };
    }
    if (place === undefined) return undefined;
    const newline = text.indexOf('\n', place.start);
    const end = newline < 0 ? text.length : newline;
    return { value: text.slice(place.start, end).trim(), start: place.at, end, method: 'answerLine', candidates };
  };
}

/** Where the marker at `at` ends, or −1 where it does not stand there. */
function endOfMarker(text: string, at: number, marker: string): number {
  const words = marker.endsWith(':') ? marker.slice(0, -1) : marker;
  const first = text[at];
  if (first !== words[0] && first?.toLowerCase() !== words[0]) return -1;
  if (text.slice(at, at + words.length).toLowerCase() !== words) return -1;
  if (words === marker) return at + words.length;
  const colon = skipSpace(text, at + words.length);
  return text[colon] === ':' ? colon + 1 : -1;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && (text[at] as string).trim() === '') at += 1;
  return at;
}
