import { checkPick, type Extraction, type Extractor, type PickOptions } from './extraction.js';
import { endOfNumber, endOfRun, isMinus } from './number-scan.js';

/** Options of {@link hashAnswer}. */
export interface HashAnswerOptions extends PickOptions {
  /** One space and at once the run of digits, commas and dots, whatever it is: '#### 7.' gives '7.'. Default false. */
  readonly run?: boolean;
}

const MARK = '####';

/**
 * The number behind the last `####` that a number follows, without its commas: GSM8K's format. Spaces and a dollar sign
 * may stand between.
 *
 * Differences: verl's strict GSM8K score wants one space, no dollar sign, and takes runs (`run: true`), in the last 300
 * characters ({@link inTail}).
 *
 * @throws OptionError for an unknown `pick`
 */
export function hashAnswer({ pick = 'last', run = false }: HashAnswerOptions = {}): Extractor {
  checkPick('hashAnswer', pick);
  return (text) => {
    let found: Extraction | undefined;
    let candidates = 0;
    for (let at = text.indexOf(MARK); at >= 0; at = text.indexOf(MARK, at + 1)) {
      let from = at + MARK.length;
      if (run) {
        if (text[from] !== ' ') continue;
        from += 1;
      } else {
        while (text[from] === ' ' || text[from] === '$') from += 1;
      }
      const minus = run ? text[from] === '-' : isMinus(text[from]);
      const digits = minus ? from + 1 : from;
      if (!run && text[digits] === '$') continue;
      const end = (run ? endOfRun : endOfNumber)(text, digits);
      if (end <= digits) continue;
      candidates += 1;
      if (pick === 'last' || found === undefined) {
        found = { value: text.slice(from, end).replaceAll(',', ''), start: at, end, method: 'hashAnswer', candidates };
      }
    }
    return found && { ...found, candidates };
  };
}
