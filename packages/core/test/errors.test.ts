import { describe, expect, test, vi } from 'vitest';
import {
  BackendError,
  DataError,
  DivergenceError,
  isTsrlError,
  OptionError,
  ShapeError,
  StateError,
  show,
  TsrlError,
} from '../src/index.ts';

const cause = new Error('why');
const examples = [
  [
    new ShapeError('ppoClip', 'logProbs', 'float32 [B, T]', 'float32 [1]'),
    'ShapeError',
    'shape',
    'ppoClip: logProbs must be float32 [B, T]; got float32 [1]',
  ],
  [
    new OptionError('rdpo', 'flipRate', 'in [0, 0.5)', 0.5),
    'OptionError',
    'option',
    'rdpo: flipRate must be in [0, 0.5); got 0.5',
  ],
  [new StateError('load', 'a key is missing', { cause }), 'StateError', 'state', 'load: a key is missing'],
  [new DataError('a.jsonl', 'text is missing', { line: 3, cause }), 'DataError', 'data', 'a.jsonl:3: text is missing'],
  [new DataError('a.jsonl', 'is empty'), 'DataError', 'data', 'a.jsonl: is empty'],
  [
    new BackendError('useBackend', 'wasm is missing', { cause }),
    'BackendError',
    'backend',
    'useBackend: wasm is missing',
  ],
  [new DivergenceError('train', 'the loss is NaN'), 'DivergenceError', 'divergence', 'train: the loss is NaN'],
] as const;

describe('errors', () => {
  test.each(examples)('%s', (error, name, code, message) => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(TsrlError);
    expect([error.name, error.code, error.message]).toEqual([name, code, message]);
    expect(String(error)).toBe(`${name}: ${message}`);
    for (const [, , other] of examples) expect(isTsrlError(error, other)).toBe(other === code);
    expect(isTsrlError(error)).toBe(true);
  });

  test('keep their cause, and only where there is one', () => {
    for (const [error, name] of examples) {
      if (error.cause !== undefined) expect(error.cause).toBe(cause);
      else expect('cause' in error, name).toBe(false);
    }
  });

  test('a data error says where', () => {
    expect(new DataError('a.csv', 'x', { line: 7 })).toMatchObject({ file: 'a.csv', line: 7 });
    expect(new DataError('a.csv', 'x').line).toBeUndefined();
  });
});

describe('isTsrlError', () => {
  test('knows the errors of a second copy of the module, which instanceof does not', async () => {
    vi.resetModules();
    const copy = await import('../src/errors.ts');
    const foreign = new copy.ShapeError('f', 'x', '[2]', '[3]');
    expect(foreign).not.toBeInstanceOf(ShapeError);
    expect(isTsrlError(foreign, 'shape')).toBe(true);
    expect(copy.isTsrlError(new OptionError('f', 'x', 'y', 1), 'option')).toBe(true);
  });

  test('refuses everything else', () => {
    const impostors = [new Error('x'), new TypeError('x'), { tsrl: true, code: 'shape' }, null, undefined, 'shape', 4];
    for (const value of impostors) expect(isTsrlError(value)).toBe(false);
    expect(isTsrlError(Object.assign(new Error('x'), { tsrl: 'yes', code: 'shape' }))).toBe(false);
  });
});

describe('show', () => {
  test.each([
    ['4', '"4"'],
    [4, '4'],
    [Number.NaN, 'NaN'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
    [undefined, 'undefined'],
    [null, 'null'],
    [true, 'true'],
    [[1, 'a'], '[1,"a"]'],
    [{ beta: 0.1 }, '{"beta":0.1}'],
    [() => 1, 'a function'],
    [12n, '12'],
    [Symbol('x'), 'Symbol(x)'],
  ])('%o', (value, expected) => {
    expect(show(value)).toBe(expected);
  });

  test('is at most 80 characters long', () => {
    expect(show('a'.repeat(78))).toBe(`"${'a'.repeat(78)}"`);
    for (const length of [79, 200]) {
      const long = show('a'.repeat(length));
      expect(long).toHaveLength(80);
      expect(long.endsWith('...')).toBe(true);
    }
  });

  test('never throws over a value that has no JSON: the error is what the user must see', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    expect(show(circle)).toBe('[object Object]');
    expect(new OptionError('f', 'x', 'a number', circle).message).toBe('f: x must be a number; got [object Object]');
  });
});
