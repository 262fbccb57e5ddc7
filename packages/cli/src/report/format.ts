/** A metric to three decimals; `null` and what is missing is undefined. */
export function metric(value: number | null): string {
  return value === null || !Number.isFinite(value) ? 'undefined' : value.toFixed(3).replace('-', '−');
}

/** A p-value to three decimals, and no smaller. */
export const pValue = (p: number): string => (p < 0.001 ? '< 0.001' : p.toFixed(3));

/** A whole number with its thousands apart. */
export const count = (value: number): string => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u202f');

export const percent = (part: number, whole: number): string =>
  whole === 0 ? 'undefined' : `${((100 * part) / whole).toFixed(1)}\u202f%`;

/** `1 text`, `2 texts`. */
export const plural = (n: number, noun: string): string => `${count(n)}\u00a0${noun}${n === 1 ? '' : 's'}`;

export function duration(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `a`, `a and b`, `a, b and c`. */
export const list = (items: readonly string[]): string =>
  items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
