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
  const [unit, name] = medianMs >= 1000 ? [1000, 's'] : medianMs >= 1 ? [1, 'ms'] : [1e-3, 'µs'];
  return `${digits(medianMs / unit)} ± ${Number((madMs / unit).toPrecision(2))} ${name}`;
}

export const threads = (count: number): string => `${count} thread${count === 1 ? '' : 's'}`;

export const who = ({ name, threads: count }: Contestant): string => `${name}, ${threads(count)}`;

/** A table of Markdown; cells may hold a bar. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(header), line(header.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}
