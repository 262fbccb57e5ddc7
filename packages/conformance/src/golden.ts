import { DataError, type Json } from '@tsrl/core';

/** Numbers of one shape, flat, row-major; booleans are 0 and 1. `strings` instead where the dtype is `string`. */
export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data: Float64Array;
  readonly strings?: readonly string[];
}

/** What stands behind a name in `inputs`, `outputs` and `gradients`: a tensor, or plain JSON. */
export type GoldenValue = GoldenTensor | Json;

/** One recorded call of a reference implementation. */
export interface GoldenCase {
  readonly name: string;
  /** The source function, when the file covers several. */
  readonly function: string | undefined;
  /** `float64` unless the source's own casts were kept. */
  readonly precision: string;
  readonly inputs: Readonly<Record<string, GoldenValue>>;
  readonly params: Readonly<Record<string, Json>>;
  /** What came out, nested names joined by a dot (`metrics.ppo_kl`); empty when the source raised. */
  readonly outputs: Readonly<Record<string, GoldenValue>>;
  /** d(sum of the output) / d(input), by the name of the input. */
  readonly gradients: Readonly<Record<string, GoldenTensor>>;
  /** The Python exception that the source raised. */
  readonly raises: string | undefined;
}

/** What a case lacks that its mapping needs: a fault of the case or of the mapping, never one of the library. */
export class CaseError extends Error {
  override readonly name: string = 'CaseError';
}

/** A name or a setting of the source that no mapping knows: the case is not mapped. */
export class UnmappedError extends Error {
  override readonly name: string = 'UnmappedError';
}

/** Whether a value of a golden file is a tensor. */
export function isTensor(value: unknown): value is GoldenTensor {
  return isRecord(value) && value['data'] instanceof Float64Array;
}

/**
 * Reads the text of a golden file.
 *
 * @throws DataError that names the file, and the case and the value that are wrong
 */
export function parseGolden(file: string, text: string): readonly GoldenCase[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new DataError(file, `not JSON: ${(cause as Error).message}`, { cause });
  }
  const cases = isRecord(parsed) ? parsed['cases'] : undefined;
  if (!Array.isArray(cases)) throw new DataError(file, 'a golden file must be an object with a list "cases"');
  return cases.map((one: unknown, i) => parseCase(file, one, i));
}

function parseCase(file: string, value: unknown, index: number): GoldenCase {
  if (!isRecord(value) || typeof value['name'] !== 'string') {
    throw new DataError(file, `case ${index} must be an object with a "name"`);
  }
  const where = `case ${value['name']}`;
  const record = (name: string): Record<string, unknown> => {
    const part = value[name] ?? {};
    if (!isRecord(part)) throw new DataError(file, `${where}: ${name} must be an object`);
    return part;
  };
  const read = (name: string): Record<string, GoldenValue> =>
    mapValues(record(name), (part, key) => parseValue(file, `${where}: ${name}.${key}`, part));
  const outputs = record('outputs');
  const raises = typeof outputs['raises'] === 'string' ? outputs['raises'] : undefined;
  const gradients = read('gradients');
  for (const [name, gradient] of Object.entries(gradients)) {
    if (!isTensor(gradient)) throw new DataError(file, `${where}: gradients.${name} must be a tensor`);
  }
  return {
    name: value['name'],
    function: typeof value['function'] === 'string' ? value['function'] : undefined,
    precision: typeof value['precision'] === 'string' ? value['precision'] : 'float64',
    inputs: read('inputs'),
    params: record('params') as Record<string, Json>,
    outputs: raises === undefined ? flatten(read('outputs')) : {},
    gradients: gradients as Record<string, GoldenTensor>,
    raises,
  };
}

function parseValue(file: string, where: string, value: unknown): GoldenValue {
  if (!isRecord(value)) return value as Json;
  if (!('shape' in value && 'data' in value)) {
    return mapValues(value, (part, key) => parseValue(file, `${where}.${key}`, part)) as Json;
  }
  const { shape, data } = value;
  const sizes = Array.isArray(shape) && shape.every((size) => Number.isInteger(size) && (size as number) >= 0);
  if (!sizes || !Array.isArray(data)) {
    throw new DataError(file, `${where}: a tensor must have a shape of whole numbers and a list of data`);
  }
  const dtype = String(value['dtype']);
  const size = (shape as number[]).reduce((product, n) => product * n, 1);
  if (data.length !== size) {
    throw new DataError(file, `${where}: shape [${shape.join(', ')}] needs ${size} entries; got ${data.length}`);
  }
  if (dtype === 'string') {
    return { shape: shape as number[], dtype, data: new Float64Array(0), strings: data.map(String) };
  }
  return { shape: shape as number[], dtype, data: Float64Array.from(data, (entry) => number(file, where, entry)) };
}

function number(file: string, where: string, entry: unknown): number {
  if (typeof entry === 'number') return entry;
  if (typeof entry === 'boolean') return entry ? 1 : 0;
  if (entry === 'NaN') return Number.NaN;
  if (entry === 'Infinity') return Number.POSITIVE_INFINITY;
  if (entry === '-Infinity') return Number.NEGATIVE_INFINITY;
  throw new DataError(file, `${where}: a number, "NaN", "Infinity" or "-Infinity" expected; got ${String(entry)}`);
}

function flatten(values: Readonly<Record<string, GoldenValue>>, prefix = ''): Record<string, GoldenValue> {
  const flat: Record<string, GoldenValue> = {};
  for (const [name, value] of Object.entries(values)) {
    if (isRecord(value) && !isTensor(value)) Object.assign(flat, flatten(value, `${prefix}${name}.`));
    else flat[prefix + name] = value;
  }
  return flat;
}

function mapValues<T>(record: Record<string, unknown>, f: (value: unknown, key: string) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value, key)]));
}

const isRecord = (value: unknown): value is Record<string, GoldenValue> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
