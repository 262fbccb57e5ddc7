import { OptionError } from '@tsrl/core';

/** An answer found in a text. */
export interface Extraction {
  readonly value: string;
  /** Where the whole match stands, delimiters included: `text.slice(start, end)`. */
  readonly start: number;
  readonly end: number;
  /** The extractor that found it. */
  readonly method: string;
  /** How many candidates there were: a completion with many answers may be guessing. */
  readonly candidates: number;
}

/** Finds the answer in a text, or nothing, in time linear in the length of the text. */
export type Extractor = (text: string) => Extraction | undefined;

/** Which of several candidates is the answer. */
export interface PickOptions {
  /** Default `last`. */
  readonly pick?: 'first' | 'last';
}

export function checkPick(who: string, pick: unknown): void {
  if (pick !== 'first' && pick !== 'last') throw new OptionError(who, 'pick', "'first' or 'last'", pick);
}

/** The whole text, trimmed. */
export const wholeText: Extractor = (text) => ({
  value: text.trim(),
  start: 0,
  end: text.length,
  method: 'wholeText',
  candidates: 1,
});

/** The first extractor that finds something: `firstFound(boxedAnswer(), hashAnswer(), lastNumber())`. */
export const firstFound =
  (...extractors: readonly Extractor[]): Extractor =>
  (text) => {
    for (const extract of extractors) {
      const found = extract(text);
      if (found) return found;
    }
    return undefined;
  };

/** Looks for the answer inside of what another extractor finds: `within(afterReasoning(), boxedAnswer())`. */
export const within =
  (outer: Extractor, inner: Extractor): Extractor =>
  (text) => {
    const place = outer(text);
    const found = place && inner(place.value);
    if (!found) return undefined;
    const offset = text.indexOf(place.value, place.start);
    return { ...found, start: found.start + offset, end: found.end + offset };
  };

/**
 * Looks at the last `characters` of the text only.
 *
 * @throws OptionError unless `characters` is a positive integer
 */
export function inTail(characters: number, extract: Extractor): Extractor {
  if (!(Number.isInteger(characters) && characters > 0)) {
    throw new OptionError('inTail', 'characters', 'a positive integer', characters);
  }
  return (text) => {
    const offset = Math.max(0, text.length - characters);
    const found = extract(text.slice(offset));
    return found && { ...found, start: found.start + offset, end: found.end + offset };
  };
}

/** The share of texts in which nothing is found; 0 of none. */
export function extractionFailures(extract: Extractor, texts: readonly string[]): number {
  return texts.length === 0 ? 0 : texts.filter((text) => extract(text) === undefined).length / texts.length;
}
