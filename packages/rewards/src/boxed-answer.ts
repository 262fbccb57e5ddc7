import { OptionError } from '@tsrl/core';
import { checkPick, type Extraction, type Extractor, type PickOptions } from './extraction.js';

/** Options of {@link boxedAnswer}. */
export interface BoxedAnswerOptions extends PickOptions {
  /** The commands, in order: the next one is tried where none of the one before occurs. Default `['\\boxed', '\\fbox']`. */
  readonly commands?: readonly string[];
}

/**
 * The content of the last `\boxed{…}` (of the last `\fbox{…}` where there is no box), its braces balanced; escaped
 * braces do not count. `\boxed 7` followed by a space has no braces: its answer goes up to the next `$` or the end of
 * the line. A box that is never closed is no answer, and earlier ones are not looked at.
 *
 * Differences: verl prefers any `\boxed ` with a space to any with braces, goes on behind the end of the line, and
 * counts escaped braces too; its extractor finds `\fbox{…}`, but its score refuses it (`commands: ['\\boxed']`).
 *
 * @throws OptionError for an unknown `pick`, or without commands
 */
export function boxedAnswer({ pick = 'last', commands = ['\\boxed', '\\fbox'] }: BoxedAnswerOptions = {}): Extractor {
  checkPick('boxedAnswer', pick);
  if (commands.length === 0) throw new OptionError('boxedAnswer', 'commands', 'at least one command', commands);
  return (text) => {
    for (const command of commands) {
      const places = occurrences(text, command);
      const start = pick === 'last' ? places.at(-1) : places[0];
      if (start !== undefined) return contentOf(text, start, command, places.length);
    }
    return undefined;
  };
}

function contentOf(text: string, start: number, command: string, candidates: number): Extraction | undefined {
  const found = { start, method: 'boxedAnswer', candidates };
  let open = start + command.length;
  while (text[open] === ' ') open += 1;
  if (text[open] === '{') {
    const close = closingBrace(text, open);
    return close < 0 ? undefined : { ...found, value: text.slice(open + 1, close).trim(), end: close + 1 };
  }
  if (open === start + command.length) return undefined;
  let end = open;
  while (end < text.length && text[end] !== '$' && text[end] !== '\n') end += 1;
  const value = text.slice(open, end).trim();
  return value === '' ? undefined : { ...found, value, end };
}

/** Where `command` stands as a whole command: `\boxed`, not `\boxedx`. */
function occurrences(text: string, command: string): readonly number[] {
  const places: number[] = [];
  for (let at = text.indexOf(command); at >= 0; at = text.indexOf(command, at + command.length)) {
    if (!/[A-Za-z]/.test(text[at + command.length] ?? '')) places.push(at);
  }
  return places;
}

/** The brace that closes the one at `open`, or −1. */
function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    const character = text[i];
    if (character === '\\') i += 1;
    else if (character === '{') depth += 1;
    else if (character === '}') {
      depth -= 1;
      if (depth === 0) return i;
    }
  }
  return -1;
}
