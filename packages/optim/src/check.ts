import { OptionError, type Schedule } from '@tsrl/core';

/** A schedule is checked where it is asked, with the rate that it gave. */
export function expectLearningRate<T extends number | Schedule>(who: string, value: T): T {
  const valid = typeof value === 'function' || (typeof value === 'number' && value >= 0 && value < Infinity);
  if (!valid) throw new OptionError(who, 'learningRate', 'a finite number of at least 0, or a schedule of them', value);
  return value;
}

export function expectFraction(who: string, option: string, value: number): void {
  if (!(value >= 0 && value < 1)) throw new OptionError(who, option, 'in [0, 1)', value);
}

export function expectNotNegative(who: string, option: string, value: number): void {
  if (!(value >= 0 && value < Infinity)) throw new OptionError(who, option, 'a finite number of at least 0', value);
}
