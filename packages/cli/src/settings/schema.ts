import { Ajv, type ValidateFunction } from 'ajv';
import { type Field, type FieldTable, wordsOf } from './fields.js';

/** JSON Schema of an object with these fields, all optional. */
export function schemaOf(table: FieldTable): object {
  const properties = Object.entries(table).map(([key, field]) => [
    key,
    { description: field.help, ...valueSchema(field) },
  ]);
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(properties) };
}

function valueSchema(field: Field): object {
  const value = someValue(field);
  return field.none === undefined ? value : { anyOf: [value, { enum: [null, field.none] }] };
}

function someValue(field: Field): object {
  switch (field.kind) {
    case 'choice':
      return { enum: wordsOf(field) };
    case 'number':
      return {
        type: field.integer ? 'integer' : 'number',
        ...(field.integer && { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
        ...(field.min !== undefined && { minimum: field.min }),
        ...(field.above !== undefined && { exclusiveMinimum: field.above }),
        ...(field.max !== undefined && { maximum: field.max }),
        ...(field.below !== undefined && { exclusiveMaximum: field.below }),
      };
    case 'text':
      return { type: 'string', minLength: 1 };
    case 'words':
      return { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1 };
    case 'flag':
      return { type: 'boolean' };
    case 'rates': {
      const rate = { type: 'number', minimum: 0, exclusiveMaximum: 1 };
      return {
        anyOf: [{ enum: wordsOf(field) }, { type: 'array', items: [rate, rate], minItems: 2, maxItems: 2 }],
      };
    }
  }
}

/** What a field takes, as a message ends: `an integer of at least 1`, `in [0, 1), or none`. */
export function expectation(field: Field): string {
  const value = someExpectation(field);
  return field.none === undefined ? value : `${value}, or ${field.none}`;
}

function someExpectation(field: Field): string {
  switch (field.kind) {
    case 'choice':
      return either(wordsOf(field));
    case 'number':
      return range(field);
    case 'text':
      return 'a text that is not empty';
    case 'words':
      return 'a list of texts that are not empty';
    case 'flag':
      return 'true or false';
    case 'rates':
      return `${wordsOf(field).join(', ')} or two numbers in [0, 1)`;
  }
}

function range({ integer, min, above, max, below }: Extract<Field, { kind: 'number' }>): string {
  const low = above === undefined ? min : above;
  const high = below === undefined ? max : below;
  if (low !== undefined && high !== undefined) {
    return `${integer ? 'an integer ' : ''}in ${above === undefined ? '[' : '('}${low}, ${high}${below === undefined ? ']' : ')'}`;
  }
  const bound =
    min !== undefined ? `at least ${min}` : above === 0 ? 'positive' : above !== undefined ? `above ${above}` : '';
  if (integer) return bound === '' ? 'an integer' : `an integer of ${bound}`;
  return bound === '' ? 'a number' : bound;
}

/** `a, b or c` */
export const either = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;

/** Checks a value against a schema; the first problem is its path and the keyword that it breaks. */
export function validatorOf(schema: object): ValidateFunction {
  return new Ajv({ strict: false, strictNumbers: true }).compile(schema);
}
