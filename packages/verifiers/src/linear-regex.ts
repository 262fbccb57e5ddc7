import { OptionError } from '@tsrl/core';
import { RE2JS } from 're2js';

/** A pattern of more characters, or of a larger automaton, is refused. */
const MAX_PATTERN = 2000;
const MAX_PROGRAM = 5000;

/** A regular expression that answers in time linear in the text, whatever the expression and whatever the text. */
export interface LinearRegex {
  /** Whether it matches somewhere in the text. */
  test(text: string): boolean;
  /** Whether it matches the whole text. */
  matches(text: string): boolean;
}

/** How a {@link linearRegex} reads its pattern. */
export interface LinearRegexOptions {
  /** `.` matches line breaks. Default false. */
  readonly dotAll?: boolean;
  /** Upper and lower case are the same. Default false. */
  readonly ignoreCase?: boolean;
  /** `^` and `$` match at every line. Default false. */
  readonly multiline?: boolean;
}

/**
 * Compiles a pattern of RE2's syntax into an automaton: no back references and no lookaround, which have no linear
 * time, and no backtracking.
 *
 * @throws OptionError for a pattern that RE2 does not know, or that is too large
 */
export function linearRegex(
  who: string,
  pattern: string,
  { dotAll = false, ignoreCase = false, multiline = false }: LinearRegexOptions = {},
): LinearRegex {
  if (pattern.length > MAX_PATTERN) {
    throw new OptionError(who, 'pattern', `of at most ${MAX_PATTERN} characters`, pattern.length);
  }
  const flags =
    (dotAll ? RE2JS.DOTALL : 0) | (ignoreCase ? RE2JS.CASE_INSENSITIVE : 0) | (multiline ? RE2JS.MULTILINE : 0);
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern, flags);
  } catch (error) {
    throw new OptionError(who, 'pattern', `of RE2's syntax (${(error as Error).message})`, pattern);
  }
  const size = compiled.programSize();
  if (size > MAX_PROGRAM) throw new OptionError(who, 'pattern', `of at most ${MAX_PROGRAM} instructions`, size);
  return { test: (text) => compiled.matcher(text).find(), matches: (text) => compiled.matches(text) };
}
