import type { Contestant, Timing } from '../result.js';

/** Three digits, as people write them: 0.0123, 4.56, 789, 12 300. */
export function digits(value: number): string {
  if (value === 0) return '0';
  const rounded = Number(value.toPrecision(3));
  if (Math.abs(rounded) >= 100) return String(Math.round(rounded)).replace(/\B(?=(\d{3})+$)/g, '\u00a0');
  return rounded.toPrecision(3);
}

/** Median ± median absolute deviation, in a unit that fits. */
export function duration({ medianMs, madMs }: Timing): string {
  const { size, name } = unitOf(medianMs);
  return `${digits(medianMs / size)} ± ${Number((madMs / size).toPrecision(2))} ${name}`;
}

/** The unit that milliseconds are written in, and how many of them it is. */
export function unitOf(ms: number): { readonly size: number; readonly name: string } {
  if (ms >= 1000) return { size: 1000, name: 's' };
  return ms >= 1 ? { size: 1, name: 'ms' } : { size: 1e-3, name: 'µs' };
}

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** `a`, `a and b`, `a, b and c`. */
export const listed = (all: readonly string[]): string =>
  all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;

export const threads = (count: number): string => `${count} thread${count === 1 ? '' : 's'}`;

export const who = ({ name, threads: count }: Contestant): string => `${name}, ${threads(count)}`;

/** A table of Markdown; cells may hold a bar. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(header), line(header.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}
