const isDigit = (character: string | undefined): boolean =>
  character !== undefined && character >= '0' && character <= '9';

/** A hyphen, or the minus sign of Unicode. */
export const isMinus = (character: string | undefined): boolean => character === '-' || character === '−';

/** Digits, commas and dots. */
const inRun = (character: string | undefined): boolean => isDigit(character) || character === ',' || character === '.';

/** A number, or a run of its characters, at `start` (its sign included), up to `end`. */
export interface NumberSpan {
  readonly start: number;
  readonly end: number;
}

/** The end of the run of digits, commas and dots that begins at `from`; `from` itself where none does. */
export function endOfRun(text: string, from: number): number {
  let end = from;
  while (inRun(text[end])) end += 1;
  return end;
}

/**
 * The end of the number without sign that begins at `from`: digits with commas between them and one decimal point
 * that digits follow, and an exponent. −1 where none begins.
 */
export function endOfNumber(text: string, from: number): number {
  let end = from;
  let points = 0;
  while (inRun(text[end])) {
    if (!isDigit(text[end])) {
      if (!isDigit(text[end + 1])) break;
      if (text[end] === ',' && (end === from || points > 0)) break;
      if (text[end] === '.' && points++ > 0) break;
    }
    end += 1;
  }
  if (end === from || (text[from] === '.' && isDigit(text[from - 1]))) return -1;
  const exponent = /^[eE][+-]?\d{1,4}(?![\dA-Za-z])/.exec(text.slice(end, end + 8));
  return end + (exponent?.[0].length ?? 0);
}

/** The last (or first) number of a text, and how many there are; nothing in between is looked at twice. */
export function scanNumbers(
  text: string,
  endOf: (text: string, from: number) => number,
  accept: (piece: string) => boolean,
  pick: 'first' | 'last',
): { readonly span: NumberSpan | undefined; readonly count: number } {
  let span: NumberSpan | undefined;
  let count = 0;
  for (let i = 0; i < text.length; ) {
    if (!inRun(text[i])) {
      i += 1;
      continue;
    }
    const end = endOf(text, i);
    const minus = endOf === endOfRun ? text[i - 1] === '-' : isMinus(text[i - 1]);
    const signed = minus ? i - 1 : i;
    if (end > i && accept(text.slice(signed, end))) {
      count += 1;
      if (pick === 'last' || span === undefined) span = { start: signed, end };
    }
    i = Math.max(end, i + 1);
  }
  return { span, count };
}
