import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type JsonSample, jsonSchema, linearRegex, regexFormat } from '../src/index.ts';

const of = (pattern: string, completion: string, options = {}): number | null | undefined =>
  regexFormat({ pattern, ...options })([{ completion }])[0];

describe('regexFormat', () => {
  test('matches the whole completion, or a part', () => {
    expect(of('a+', 'aaa')).toBe(1);
    expect(of('a+', 'aaab')).toBe(0);
    expect(of('a+', 'baaab', { match: 'somewhere' })).toBe(1);
    expect(of('<think>.*</think>', '<think>a\nb</think>')).toBe(0);
    expect(of('<think>.*</think>', '<think>a\nb</think>', { dotAll: true })).toBe(1);
    expect(of('YES', 'yes', { ignoreCase: true })).toBe(1);
    expect(of('^b$', 'a\nb\nc', { match: 'somewhere', multiline: true })).toBe(1);
    expect(of('^b$', 'a\nb\nc', { match: 'somewhere' })).toBe(0);
    expect(of('a*', 'aaaa', { maxLength: 3 })).toBe(0);
  });

  test('agrees with the expressions of JavaScript', () => {
    const pattern = fc.constantFrom(
      '(a|b)*c?',
      'a.b',
      '[^a]+',
      'a{2,3}b*',
      '(ab)+|c',
      '(?:a|ab)(?:c|bcd)',
      '\\w+\\s\\d?',
    );
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd', ' ', '1'), maxLength: 8 });
    forAll([pattern, text], (source, completion) => {
      expect(of(source, completion)).toBe(new RegExp(`^(?:${source})$`).test(completion) ? 1 : 0);
      expect(of(source, completion, { match: 'somewhere' })).toBe(new RegExp(source).test(completion) ? 1 : 0);
    });
  });

  test('expressions that backtrack for ever elsewhere end', () => {
    // Each takes 2^n or n³ steps by backtracking: hours at n = 50 000.
    const long = 'a'.repeat(50_000);
    for (const pattern of ['(a+)+$', '(a|aa)+$', '(a*)*b', '([a-z]+)*x', '(.*)(.*)(.*)b$']) {
      expect(of(pattern, `${long}!`)).toBe(0);
    }
  });

  test.each([
    ['(?=a)', 'regexFormat: pattern must be of RE2'],
    ['(a)\\1', 'regexFormat: pattern must be of RE2'],
    ['(', 'regexFormat: pattern must be of RE2'],
    ['a{1000}{1000}', 'regexFormat: pattern must be of'],
    ['((a{1,100}){1,100}){1,100}', 'regexFormat: pattern must be of'],
    ['(a{900}|b{900}|c{900}|d{900}|e{900}|f{900})', 'regexFormat: pattern must be of at most 5000 instructions; got'],
    ['a'.repeat(2001), 'regexFormat: pattern must be of at most 2000 characters; got 2001'],
  ])('refuses %s', (pattern, message) => {
    expect(() => regexFormat({ pattern })).toThrow(message);
  });

  test('refuses options out of range', () => {
    expect(() => regexFormat({ pattern: 'a', match: 'all' as 'whole' })).toThrow(
      "regexFormat: match must be 'whole' or 'somewhere'; got \"all\"",
    );
    expect(() => regexFormat({ pattern: 'a', maxLength: 0 })).toThrow(
      'regexFormat: maxLength must be a positive integer; got 0',
    );
  });

  test('linearRegex alone', () => {
    expect(linearRegex('mine', 'b').test('abc')).toBe(true);
    expect(linearRegex('mine', 'b').matches('abc')).toBe(false);
    expect(() => linearRegex('mine', '(')).toThrow('mine: pattern');
  });
});

describe('jsonSchema', () => {
  const schema = {
    type: 'object',
    required: ['name', 'age'],
    properties: { name: { type: 'string', pattern: '^[A-Z]' }, age: { type: 'integer', minimum: 0 } },
    additionalProperties: false,
  } as const;
  const score = (
    completion: string,
    more: Omit<JsonSample, 'completion'> = {},
    options = {},
  ): number | null | undefined => jsonSchema({ schema, ...options })([{ completion, ...more }])[0];

  test.each([
    ['{"name": "Ada", "age": 36}', 1],
    ['  \n{"name": "Ada", "age": 36}\n', 1],
    ['Here:\n```json\n{"name": "Ada", "age": 36}\n```\ndone', 1],
    ['```\n{"name": "ada", "age": 1}\n```\n```\n{"name": "Ada", "age": 36}\n```', 1],
    ['{"name": "ada", "age": 36}', 0],
    ['{"name": "Ada", "age": 36.5}', 0],
    ['{"name": "Ada", "age": -1}', 0],
    ['{"name": "Ada"}', 0],
    ['{"name": "Ada", "age": 36, "x": 1}', 0],
    ['{"name": "Ada", "age": 36,}', 0],
    ['{"name": "Bob", "name": "Ada", "age": 36}', 0],
    ['{"name": "Bob", "n\\u0061me": "Ada", "age": 36}', 0],
    ['{"name": "Ada", "age": 36} trailing', 0],
    ['{"name": "Ada", "age": NaN}', 0],
    ['', 0],
    ['null', 0],
  ])('%s', (completion, expected) => {
    expect(score(completion)).toBe(expected);
  });

  test('keys may repeat in different objects, and inside of strings', () => {
    const free = jsonSchema({ schema: {} });
    expect(free([{ completion: '[{"a":1},{"a":"{\\"a\\":1,\\"a\\":2}"}]' }])).toEqual([1]);
    expect(free([{ completion: '{"a":{"a":1},"b":{"a":1}}' }])).toEqual([1]);
    expect(free([{ completion: '{"a":{"b":1,"b":2}}' }])).toEqual([0]);
  });

  test('depth and length are bounded', () => {
    const free = jsonSchema({ schema: {} });
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(free([{ completion: nested(64) }, { completion: nested(65) }, { completion: nested(100_000) }])).toEqual([
      1, 0, 0,
    ]);
    expect(free([{ completion: `"${'['.repeat(500)}"` }])).toEqual([1]);
    expect(free([{ completion: `"${'x'.repeat(99_998)}"` }, { completion: `"${'x'.repeat(99_999)}"` }])).toEqual([
      1, 0,
    ]);
  });

  test('patterns of the schema are matched in linear time', () => {
    const evil = jsonSchema({ schema: { type: 'string', pattern: '^(a+)+$' } });
    expect(evil([{ completion: `"${'a'.repeat(50_000)}!"` }])).toEqual([0]);
    expect(evil([{ completion: `"${'a'.repeat(100)}"` }])).toEqual([1]);
    expect(() => jsonSchema({ schema: { type: 'string', pattern: '(?=a)' } })).toThrow('jsonSchema: ');
    const keys = jsonSchema({
      schema: { patternProperties: { '^(a+)+$': { type: 'number' } }, additionalProperties: false },
    });
    expect(keys([{ completion: '{"aa": 1}' }, { completion: '{"aab": 1}' }])).toEqual([1, 0]);
  });

  test('alternatives of a recursive schema are no way to hang', () => {
    const term = { $ref: '#/$defs/term' };
    const pair = (key: string): object => ({ type: 'object', required: ['x'], properties: { x: term, [key]: term } });
    const recursive = {
      ...term,
      $defs: { term: { anyOf: [pair('y'), pair('z'), { enum: [1, { $ref: 'data' }] }] } },
    };
    const nested = (depth: number, leaf: string): string => `${'{"x":'.repeat(depth)}${leaf}${'}'.repeat(depth)}`;
    for (const kind of ['strict', 'graded'] as const) {
      const reward = jsonSchema({ schema: recursive as never, kind });
      expect(reward([{ completion: nested(8, '1') }, { completion: '{"$ref": "data"}' }])).toEqual([1, 1]);
      // 2^60 steps without a bound.
      expect(reward([{ completion: nested(60, '2') }])).toEqual([kind === 'strict' ? 0 : 0.2 / 0.5]);
      // And the bound is that of one value, not of all.
      expect(reward([{ completion: nested(60, '2') }, { completion: nested(8, '1') }])[1]).toBeCloseTo(1, 12);
    }
  });

  test('names that every object inherits, decimals that are multiples, constraints that are none of the counted', () => {
    const of = (one: object, completion: string, kind: 'strict' | 'graded' = 'strict'): number | null | undefined =>
      jsonSchema({ schema: one as never, kind })([{ completion }])[0];
    expect(of({ required: ['constructor'] }, '{}')).toBe(0);
    expect(of({ required: ['__proto__'] }, '{}')).toBe(0);
    expect(of({ multipleOf: 0.01 }, '19.99')).toBe(1);
    expect(of({ multipleOf: 0.01 }, '19.995')).toBe(0);
    expect(of({ not: { const: 1 } }, '1', 'graded')).toBeCloseTo(0.4, 12);
    expect(of({ not: {} }, '1', 'graded')).toBeCloseTo(0.4, 12);
    expect(of({ enum: [{ uniqueItems: true }] }, '{"uniqueItems": true}')).toBe(1);
  });

  test('graded: 0.2 for syntax, 0.3 for constraints, 0.5 for values', () => {
    const graded = { kind: 'graded' } as const;
    const gold = { name: 'Ada', age: 36 };
    // 7 constraints: type, two required, type and pattern, type and minimum; and no more properties: 8.
    expect(score('{"name": "Ada", "age": 36}', { goldJson: gold }, graded)).toBeCloseTo(1, 12);
    expect(score('{"name": "Ada", "age": 36.001}', { goldJson: gold }, graded)).toBeCloseTo(
      0.2 + (0.3 * 7) / 8 + 0.5,
      12,
    );
    expect(score('{"name": "Bob", "age": 36}', { goldJson: gold }, graded)).toBeCloseTo(0.2 + 0.3 + 0.25, 12);
    expect(score('{"name": "ada", "x": 1}', { goldJson: gold }, graded)).toBeCloseTo(0.2 + (0.3 * 5) / 8, 12);
    expect(score('[', { goldJson: gold }, graded)).toBe(0);
    expect(score('{"name": "ada", "age": 1}', {}, graded)).toBeCloseTo((0.2 + (0.3 * 7) / 8) / 0.5, 12);
  });

  test.each([
    [() => jsonSchema({ schema: { type: 'nonsense' } }), 'jsonSchema: schema must be a JSON schema ('],
    [() => jsonSchema({ schema: { uniqueItems: true } }), 'jsonSchema: schema must be without uniqueItems; got'],
    [() => jsonSchema({ schema: { $ref: '#' } }), 'jsonSchema: schema must be a JSON schema (Maximum call stack'],
    [() => jsonSchema({ schema: {}, maxDepth: 0 }), 'jsonSchema: maxDepth must be a positive integer; got 0'],
    [() => jsonSchema({ schema: {}, kind: 'x' as 'strict' }), 'jsonSchema: kind must be'],
    [
      () => jsonSchema({ schema: {}, weights: { parse: 1, schema: 1, value: 0 } }),
      'jsonSchema: weights must be not negative and of sum 1; got',
    ],
  ])('%# is refused', (build, message) => {
    expect(build).toThrow(message);
  });
});
