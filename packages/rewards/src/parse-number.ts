/** A number and how it was written. */
export interface ParsedNumber {
  readonly value: number;
  /** Written as a whole number: `1,234`, not `1234.0`. */
  readonly whole: boolean;
}

const DIGITS = String.raw`(?:\d{1,3}(?:,\d{3})+|\d+)`;
const DECIMAL = new RegExp(String.raw`^([+-]?)(${DIGITS}(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,4}))?(%?)$`);
const FRACTION = new RegExp(`^([+-]?)(?:(${DIGITS})[ ]+)?(${DIGITS})[ ]?/[ ]?(${DIGITS})(%?)$`);
const WHOLE = new RegExp(`^[+-]?${DIGITS}$`);

/**
 * Reads a whole number, a decimal, scientific notation, thousands separators (only groups of three), a fraction `3/4`,
 * a mixed number `1 1/2`, a percentage; a currency sign before and a full stop behind do not matter. Nothing else, no
 * arithmetic; `undefined` for what is none of these, and for what no float64 holds.
 */
export function parseNumber(text: string): ParsedNumber | undefined {
  const s = text
    .trim()
    .replace('−', '-')
    .replace(/^([+-]?)(?:\\\$|[$€£¥])[ ]?/, '$1')
    .replace(/\.$/, '')
    .replace(/[ ]?\\?%$/, '%');
  const value = numberIn(s);
  return value !== undefined && Number.isFinite(value) ? { value, whole: WHOLE.test(s) } : undefined;
}

function numberIn(s: string): number | undefined {
  const plain = (digits: string): number => Number(digits.replaceAll(',', ''));
  const decimal = DECIMAL.exec(s);
  if (decimal) {
    const [, sign, digits = '', exponent = '0', percent] = decimal;
    const magnitude = Number(`${digits.replaceAll(',', '')}e${exponent}`);
    return (sign === '-' ? -magnitude : magnitude) / (percent ? 100 : 1) + 0;
  }
  const fraction = FRACTION.exec(s);
  if (!fraction) return undefined;
  const [, sign, wholes = '0', over = '', under = '', percent] = fraction;
  const magnitude = plain(wholes) + plain(over) / plain(under);
  return (sign === '-' ? -magnitude : magnitude) / (percent ? 100 : 1) + 0;
}
