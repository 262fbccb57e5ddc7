import { OptionError } from '@tsrl/core';
import { checkPick, type Extraction, type Extractor, type PickOptions } from './extraction.js';

/** Options of {@link choiceLetter}. */
export interface ChoiceLetterOptions extends PickOptions {
  /** The letters that the question offers. Default `ABCD`. */
  readonly letters?: string;
}

/**
 * The last capital letter of those offered that stands alone: `B`, `(B)`, `B.`, `**B**`, `\text{B}`. The article in
 * 'A dog' stands alone too: ask for an answer line or a box first ({@link within}) where texts are prose.
 *
 * @throws OptionError for an unknown `pick`, or letters that are not different capitals
 */
export function choiceLetter({ pick = 'last', letters = 'ABCD' }: ChoiceLetterOptions = {}): Extractor {
  checkPick('choiceLetter', pick);
  if (!/^[A-Z]+$/.test(letters) || new Set(letters).size < letters.length) {
    throw new OptionError('choiceLetter', 'letters', 'different capitals', letters);
  }
  return (text) => {
    let found: Extraction | undefined;
    let candidates = 0;
    for (let at = 0; at < text.length; at++) {
      const letter = text[at] as string;
      if (!letters.includes(letter) || belongsToWord(text[at - 1]) || belongsToWord(text[at + 1])) continue;
      candidates += 1;
      if (pick === 'last' || found === undefined) {
        found = { value: letter, start: at, end: at + 1, method: 'choiceLetter', candidates };
      }
    }
    return found && { ...found, candidates };
  };
}

const belongsToWord = (neighbour: string | undefined): boolean =>
  neighbour !== undefined && /[\p{L}\p{N}'’_]/u.test(neighbour);
