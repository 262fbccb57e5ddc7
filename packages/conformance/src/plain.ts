import { CaseError, type GoldenTensor, isTensor } from './golden.js';

/**
 * Plain JSON as numbers, so that what a source gives besides tensors can be compared: a truth value is 1 or 0, `null`
 * is NaN, `"NaN"` and the infinities are themselves, any other text is its UTF-16 codes, a list of numbers a vector. A list of records is its `length` and each value by
 * position and name, `nodes.3.reward`.
 *
 * @throws CaseError for a list that mixes records with numbers
 */
export function plainParts(name: string, value: unknown): Readonly<Record<string, GoldenTensor>> {
  if (isTensor(value)) {
    if (value.strings) throw new CaseError(`${name} of the golden file is a tensor of texts`);
    return { [name]: value };
  }
  if (typeof value === 'string' && !notFinite.includes(value)) {
    return { [name]: vector(Array.from({ length: value.length }, (_, i) => value.charCodeAt(i))) };
  }
  if (Array.isArray(value) && value.length > 0 && value.every(isRecord)) {
    const parts = value.flatMap((record, i) =>
      Object.entries(record).map(([key, one]) => plainParts(`${name}.${i}.${key}`, one)),
    );
    return Object.assign({ [`${name}.length`]: scalar(value.length) }, ...parts);
  }
  if (Array.isArray(value)) return { [name]: vector(value.map((entry) => numberOf(name, entry))) };
  return { [name]: scalar(numberOf(name, value)) };
}

/** The same of one value that is no list of records, as an output. */
export const plain = (name: string, value: unknown): GoldenTensor => plainParts(name, value)[name] as GoldenTensor;

const scalar = (value: number): GoldenTensor => ({ shape: [], dtype: 'float64', data: Float64Array.of(value) });
const vector = (values: readonly number[]): GoldenTensor => ({
  shape: [values.length],
  dtype: 'float64',
  data: Float64Array.from(values),
});

/** JSON has no number for these. */
const notFinite: readonly unknown[] = ['NaN', 'Infinity', '-Infinity'];

const isRecord = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

function numberOf(name: string, value: unknown): number {
  if (value === null) return Number.NaN;
  if (typeof value === 'number' || typeof value === 'boolean') return Number(value);
  if (notFinite.includes(value)) return Number(value);
  throw new CaseError(`${name} of the golden file is neither a number nor a text nor a list of numbers or records`);
}
