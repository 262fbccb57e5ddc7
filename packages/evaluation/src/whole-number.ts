import { OptionError } from '@tsrl/core';

/** Throws unless the option is a whole number from `low` to `high`. */
export function expectWhole(who: string, name: string, value: number, low: number, high: number = Infinity): void {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return;
  const range = high === Infinity ? `of at least ${low}` : `from ${low} to ${high}`;
  throw new OptionError(who, name, `a whole number ${range}`, value);
}
