import { isTsrlError, type Json, OptionError } from '@tsrl/core';
import { type CompletionSample, jsonEqual, perSample, type RewardEntry, type SyncReward } from '@tsrl/rewards';
import { Ajv, type ValidateFunction } from 'ajv';
import { jsonText, parseBounded } from './bounded-json.js';
import { linearRegex } from './linear-regex.js';

/** A JSON schema of draft 7. */
export type JsonSchema = Readonly<Record<string, Json>>;

/** What {@link jsonSchema} reads. */
export interface JsonSample extends CompletionSample {
  /** The right value, for the graded score. Absent where only the form counts. */
  readonly goldJson?: Json;
}

/** What the stages of the graded score are worth; not negative, their sum 1. */
export interface JsonWeights {
  readonly parse: number;
  readonly schema: number;
  readonly value: number;
}

/** Options of {@link jsonSchema}. */
export interface JsonSchemaOptions {
  readonly schema: JsonSchema;
  /** `strict`: all or nothing. `graded`: a share for each stage. Default `strict`. */
  readonly kind?: 'strict' | 'graded';
  /** Of the graded score. Default parse 0.2, schema 0.3, value 0.5. */
  readonly weights?: JsonWeights;
  /** Longer JSON is invalid. Default 100000 characters. */
  readonly maxLength?: number;
  /** Deeper JSON is invalid. Default 64. */
  readonly maxDepth?: number;
}

/**
 * Whether a completion is JSON of a schema. The JSON is the whole completion, or its last fenced block; duplicate keys
 * and trailing commas are errors of syntax.
 *
 *   strict  r = 1 if it validates, else 0
 *   graded  r = w_parse [it parses] + w_schema (constraints kept / constraints) + w_value (gold leaves met / gold leaves)
 *
 * Constraints are the keywords of the schema that state one (`type`, `minimum`, each name in `required`, …), wherever
 * they stand, and one is broken if any part of the value breaks it. Leaves of the gold value are its numbers, texts,
 * booleans, nulls and empty lists and objects, by their path; numbers may differ by 1e-4 relatively. Without a gold
 * value its weight falls to the others in proportion.
 *
 * Patterns of the schema are matched in linear time, in RE2's syntax; length, depth, patterns and the number of
 * references that are followed are bounded: a value that needs more of them breaks every constraint. `$ref` reaches inside of the schema only, and `uniqueItems` is refused: its time is quadratic.
 *
 * @throws OptionError for a schema that is none, or another option out of range
 */
export function jsonSchema({
  schema,
  kind = 'strict',
  weights = { parse: 0.2, schema: 0.3, value: 0.5 },
  maxLength = 100_000,
  maxDepth = 64,
}: JsonSchemaOptions): SyncReward<JsonSample> {
  const who = 'jsonSchema';
  if (kind !== 'strict' && kind !== 'graded') throw new OptionError(who, 'kind', "'strict' or 'graded'", kind);
  for (const [name, value] of Object.entries({ maxLength, maxDepth })) {
    if (!(Number.isInteger(value) && value > 0)) throw new OptionError(who, name, 'a positive integer', value);
  }
  const shares = [weights.parse, weights.schema, weights.value];
  if (!(shares.every((share) => share >= 0) && Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9)) {
    throw new OptionError(who, 'weights', 'not negative and of sum 1', weights);
  }
  const violations = compiled(who, schema, kind === 'graded');
  const constraints = constraintsOf(schema);
  return perSample(({ completion, goldJson }) => {
    const parsed = parseBounded(jsonText(completion).trim(), { maxLength, maxDepth });
    if (parsed === undefined) return 0;
    const broken = violations(parsed.value);
    if (kind === 'strict') return broken === 0 ? 1 : 0;
    const kept = 1 - Math.min(broken / Math.max(1, constraints), 1);
    const form = weights.parse + weights.schema * kept;
    if (goldJson !== undefined) return form + weights.value * leavesMet(parsed.value, goldJson);
    return weights.value === 1 ? (broken === 0 ? 1 : 0) : form / (1 - weights.value);
  });
}

/** How many constraints a value breaks; all of them where that takes too many steps to tell. */
type Violations = (value: Json) => number;

/**
 * So many references are followed for one value. Alternatives of a recursive schema double the work with every level
 * of the value: 2^64 steps for 500 characters.
 */
const MAX_REFERENCES = 100_000;

function compiled(who: string, schema: JsonSchema, allErrors: boolean): Violations {
  const code = (pattern: string): { test: (text: string) => boolean } => linearRegex(who, pattern);
  // What ajv writes for a schema that is compiled ahead of time; here nothing is.
  code.code = 'linearRegex';
  let references = 0;
  const tooMany = (): boolean => references > MAX_REFERENCES;
  const follow = (): boolean => {
    references += 1;
    if (tooMany()) throw new RangeError('too many references');
    return true;
  };
  let validate: ValidateFunction;
  try {
    refuseQuadratic(who, schema);
    const options = { strict: false, allErrors, logger: false, ownProperties: true, multipleOfPrecision: 9 } as const;
    const ajv = new Ajv({ ...options, code: { regExp: code } });
    ajv.addKeyword({ keyword: COUNTED, before: '$ref', schema: false, errors: false, validate: follow });
    validate = ajv.compile(counted(schema) as JsonSchema);
    // A reference to itself alone has no end whatever the value.
    validate(null);
  } catch (error) {
    if (isTsrlError(error)) throw error;
    throw new OptionError(who, 'schema', `a JSON schema (${(error as Error).message})`, schema);
  }
  return (value) => {
    references = 0;
    try {
      return validate(value) ? 0 : Math.max(1, brokenIn(validate));
    } catch (error) {
      if (tooMany()) return Number.POSITIVE_INFINITY;
      throw error;
    }
  };
}

/** The keyword that stands beside every `$ref` of a schema that is compiled. */
const COUNTED = 'tsrl-counted';

function counted(schema: Json): Json {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(counted);
  const parts = Object.entries(schema).map(([key, part]) => [key, DATA.has(key) ? part : counted(part)] as const);
  return Object.fromEntries(
    parts.some(([key, part]) => key === '$ref' && typeof part === 'string') ? [...parts, [COUNTED, true]] : parts,
  );
}

/** Keywords whose values are data, and no schemas. */
const DATA = new Set(['const', 'enum', 'default', 'examples']);

function refuseQuadratic(who: string, schema: Json): void {
  if (typeof schema !== 'object' || schema === null) return;
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'uniqueItems' && value === true) throw new OptionError(who, 'schema', 'without uniqueItems', schema);
    if (!DATA.has(key)) refuseQuadratic(who, value);
  }
}

const STATING = new Set(
  (
    'type enum const minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength pattern minItems ' +
    'maxItems minProperties maxProperties'
  ).split(' '),
);

/** How many constraints a schema states. */
function constraintsOf(schema: Json): number {
  if (typeof schema !== 'object' || schema === null) return 0;
  let stated = 0;
  for (const [key, value] of Object.entries(schema)) {
    if (STATING.has(key)) stated += 1;
    else if (key === 'required' && Array.isArray(value)) stated += value.length;
    else if (key === 'additionalProperties' && value === false) stated += 1;
    else if (key === 'properties' || key === 'definitions' || key === '$defs') {
      for (const part of Object.values((value ?? {}) as Record<string, Json>)) stated += constraintsOf(part);
    } else if (!DATA.has(key)) stated += constraintsOf(value);
  }
  return stated;
}

/** How many of those the last value broke. */
function brokenIn({ errors }: ValidateFunction): number {
  const broken = new Set<string>();
  for (const { keyword, schemaPath, params } of errors ?? []) {
    if (STATING.has(keyword) || keyword === 'additionalProperties') broken.add(schemaPath);
    else if (keyword === 'required') broken.add(`${schemaPath}/${String(params['missingProperty'])}`);
  }
  return broken.size;
}

/** The share of the leaves of the gold value that the value has at the same place. */
function leavesMet(value: Json | undefined, gold: Json): number {
  let [met, all] = [0, 0];
  const visit = (at: Json | undefined, wanted: Json): void => {
    const parts = typeof wanted === 'object' && wanted !== null ? Object.entries(wanted) : [];
    if (parts.length === 0) {
      all += 1;
      if (at !== undefined && jsonEqual(at, wanted, nearly)) met += 1;
      return;
    }
    const comparable = typeof at === 'object' && at !== null && Array.isArray(at) === Array.isArray(wanted);
    for (const [key, part] of parts) {
      visit(comparable && Object.hasOwn(at, key) ? (at as Record<string, Json>)[key] : undefined, part);
    }
  };
  visit(value, gold);
  return met / all;
}

const nearly = (a: number, b: number): boolean =>
  Math.abs(a - b) <= Math.max(1e-9, 1e-4 * Math.max(Math.abs(a), Math.abs(b)));

export const jsonSchemaEntry: RewardEntry<JsonSample> = {
  name: 'jsonSchema',
  formula: '1 if the completion is JSON of the schema, else 0; or a share for each stage',
  citation: 'JSON Schema, draft 7',
  laws: ['independent', 'text'],
  range: [0, 1],
  example: (rng) => ({ completion: rng.uniform() < 0.5 ? '{"a": 1}' : '```json\n{"a": "x"}\n```' }),
  score: jsonSchema({ schema: { type: 'object', required: ['a'], properties: { a: { type: 'integer' } } } }),
};
