import { expectWhole } from '../whole-number.js';

/** Units, and how often the 95 % percentile interval of a mean of so many normal numbers holds, by simulation. */
const COVERAGE = [
  [3, 74],
  [5, 84],
  [10, 89],
] as const;

/**
 * What to print beside a percentile interval over fewer than 10 units (seeds, items), where it holds less often than
 * it says; `null` from 10 on (of 10 units it holds for 89 % and of 20 for 94 % where 95 % is written).
 *
 * @throws OptionError unless `units` is a whole number of at least 2
 */
export function intervalCaution(units: number): string | null {
  expectWhole('intervalCaution', 'units', units, 2);
  if (units >= 10) return null;
  const [, below] = COVERAGE.findLast(([n]) => n <= units) ?? [];
  const [, above] = COVERAGE.find(([n]) => n >= units) ?? [];
  const holds =
    below === undefined ? `less than ${above} %` : below === above ? `about ${above} %` : `${below} to ${above} %`;
  return `a percentile interval over ${units} units holds for ${holds} of normal samples where 95 % is written: give Student's interval beside it`;
}
