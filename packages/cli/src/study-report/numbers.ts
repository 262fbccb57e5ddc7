import type { Interval } from '@tsrl/evaluation';

/** A share as points: 0.1234 is `12.3`. */
export const points = (share: number): string => tidy((100 * share).toFixed(1));

/** A difference of shares in points, with its sign: `+1.2`. */
export function signed(share: number): string {
  const written = points(share);
  return written.startsWith('−') || written === '0.0' ? written : `+${written}`;
}

const tidy = (digits: string): string => (/^-0\.?0*$/.test(digits) ? digits.slice(1) : digits.replace('-', '−'));

/** `[1.2, 3.4]` in points, which no line end may part; nothing where there is no interval. */
export const range = (interval: Interval | null, write: (share: number) => string = points): string =>
  interval ? `[${write(interval.lower)},\u00a0${write(interval.upper)}]` : '';

/** `+2.1 [1.2, 3.4]` */
export const difference = ({ estimate, interval }: { estimate: number; interval: Interval | null }): string =>
  `${signed(estimate)} ${range(interval, signed)}`.trim();

/** Whether the interval leaves 0 out. */
export const sure = (interval: Interval | null): boolean =>
  interval !== null && (interval.lower > 0 || interval.upper < 0);

/** `9 of 12 sets`, where damages of a set are told apart from sets. */
export function setsOf(blocks: readonly { readonly dataset: string }[], all: number): string {
  const sets = new Set(blocks.map(({ dataset }) => dataset)).size;
  return `${sets} of ${all} sets`;
}
