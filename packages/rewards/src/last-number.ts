import { checkPick, type Extractor, type PickOptions } from './extraction.js';
import { endOfNumber, endOfRun, scanNumbers } from './number-scan.js';

/** Options of {@link lastNumber}. */
export interface LastNumberOptions extends PickOptions {
  /** Take the whole run of digits, commas and dots, whatever it is: 'It is 7.' gives '7.'. Default false. */
  readonly run?: boolean;
}

/**
 * The last number of the text as it is written: an optional minus, digits with commas between them, one decimal point
 * that digits follow, an exponent. 'It is 1,234.' gives '1,234'.
 *
 * Differences: verl's flexible GSM8K score takes runs (`run: true`) in the last 300 characters ({@link inTail}).
 *
 * @throws OptionError for an unknown `pick`
 */
export function lastNumber({ pick = 'last', run = false }: LastNumberOptions = {}): Extractor {
  checkPick('lastNumber', pick);
  return (text) => {
    const { span, count } = scanNumbers(text, run ? endOfRun : endOfNumber, (piece) => piece !== '.', pick);
    return span && { ...span, value: text.slice(span.start, span.end), method: 'lastNumber', candidates: count };
  };
}
