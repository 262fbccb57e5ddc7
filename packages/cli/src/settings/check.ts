import { DataError, type Json, OptionError, show } from '@tsrl/core';
import type { ValidateFunction } from 'ajv';
import { type Field, type FieldTable, fields, flagOf, type GivenSettings, type TrainSettings } from './fields.js';
import { either, expectation, schemaOf, validatorOf } from './schema.js';

/** Where a value stands: a file, the keys that lead to it, and the line of each path, where the reader knows it. */
export interface Place {
  readonly file: string;
  readonly path?: readonly (string | number)[];
  readonly lineOf?: (path: readonly (string | number)[]) => number | undefined;
}

/**
 * Settings from a file, as far as they are given there, each within its range: `study.yaml:12: methods.ppo.clipLow must
 * be in (0, 1); got 2`. Contradictions between settings are `expectConsistent`'s.
 *
 * @throws DataError that names file, line and path; an unknown key comes with the nearest known one
 */
export function checkedSettings(json: Json, place: Place): Partial<TrainSettings> {
  return checkedFields(json, fields, place) as Partial<TrainSettings>;
}

/** The same for any table of fields. */
export function checkedFields(json: Json, table: FieldTable, place: Place): { readonly [key: string]: Json } {
  const problem = firstProblem(json, table);
  if (problem) throw misplaced(place, problem.keys, problem.text);
  return noneAsNull(json as { readonly [key: string]: Json }, table);
}

/** The same values, with `null` for the word that stands for it. */
export function noneAsNull<T>(values: Readonly<Record<string, T>>, table: FieldTable): Record<string, T | null> {
  const entries = Object.entries(values);
  return Object.fromEntries(entries.map(([key, value]) => [key, value === table[key]?.none ? null : value]));
}

/** The error of a value at a place, below it at `keys`: `FILE:LINE: PATH TEXT`. */
export function misplaced(place: Place, keys: readonly (string | number)[], text: string): DataError {
  const path = [...(place.path ?? []), ...keys];
  const line = place.lineOf?.(path);
  return new DataError(
    place.file,
    `${path.length === 0 ? 'the file' : path.map((key) => (key === '' ? '""' : key)).join('.')} ${text}`,
    line === undefined ? {} : { line },
  );
}

/** @throws OptionError for the first setting that is out of its range, by the name of its flag */
export function checkSettings(given: Partial<GivenSettings>): void {
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (firstProblem({ [key]: value as Json }, fields)) {
      throw new OptionError('tsrl', flagOf(key), expected((fields as FieldTable)[key] as Field, value), value);
    }
  }
}

interface Problem {
  readonly keys: readonly string[];
  readonly text: string;
}

function firstProblem(json: Json, table: FieldTable): Problem | undefined {
  const validate = validatorFor(table);
  if (validate(json)) return undefined;
  const [error] = validate.errors ?? [];
  if (error?.keyword === 'additionalProperties') {
    const key = (error.params as { additionalProperty: string }).additionalProperty;
    return { keys: [key], text: unknownKey(key, Object.keys(table)) };
  }
  const key = error?.instancePath.split('/')[1];
  if (key === undefined) return { keys: [], text: `must be an object with settings; got ${show(json)}` };
  const field = table[key] as Field;
  const value = (json as { readonly [key: string]: Json })[key] as Json;
  return { keys: [key], text: `must be ${expected(field, value)}; got ${show(value)}` };
}

/** What a field takes, to somebody who gave this: a whole number that a double has not is an integer to its author. */
function expected(field: Field, value: unknown): string {
  const integer = field.kind === 'number' && field.integer === true;
  const rounded = integer && Number.isInteger(value) && !Number.isSafeInteger(value);
  return `${expectation(field)}${rounded ? ', and less than 2^53' : ''}`;
}

const validators = new WeakMap<FieldTable, ValidateFunction>();

function validatorFor(table: FieldTable): ValidateFunction {
  const known = validators.get(table) ?? validatorOf(schemaOf(table));
  validators.set(table, known);
  return known;
}

/** `is not known; did you mean clipLow?` */
export function unknownKey(key: string, known: readonly string[]): string {
  const nearest = known
    .map((name) => ({ name, far: distance(key.toLowerCase().replaceAll(/[-_]/g, ''), name.toLowerCase()) }))
    .sort((a, b) => a.far - b.far)[0];
  const resembles = nearest && nearest.far < Math.min(key.length, nearest.name.length);
  if (resembles && nearest.far <= Math.max(2, key.length / 3)) return `is not known; did you mean ${nearest.name}?`;
  return known.length <= 12 ? `is not known; known are ${either(known)}` : 'is not known';
}

/** Letters to insert, delete or replace from one word to the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
