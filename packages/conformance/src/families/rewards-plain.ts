import { CaseError, type GoldenValue } from '../golden.js';
import type { Values } from '../outcome.js';

/**
 * Plain JSON of a golden file as numbers, so that it can be compared: a text is its UTF-16 codes, a list of numbers
 * and nulls a vector, and null, where a source found nothing or does not score, NaN.
 */
export function plain(part: string, value: GoldenValue | undefined): Values {
  if (typeof value === 'string') return vector(Array.from({ length: value.length }, (_, i) => value.charCodeAt(i)));
  if (Array.isArray(value)) return vector(value.map((entry) => numberFrom(part, entry)));
  return { shape: [], data: [numberFrom(part, value)] };
}

const vector = (data: readonly number[]): Values => ({ shape: [data.length], data });

function numberFrom(part: string, value: unknown): number {
  if (value === null) return Number.NaN;
  if (typeof value === 'number' || typeof value === 'boolean') return Number(value);
  throw new CaseError(`${part} is neither a number nor a text nor a list of numbers`);
}
