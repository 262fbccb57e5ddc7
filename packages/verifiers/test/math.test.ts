import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hostileTexts } from '../../rewards/test/reward-laws.ts';
import { mathEquivalence, mathMatch } from '../src/index.ts';
import { different, equal } from './math-table.ts';

const equivalent = mathEquivalence();
const isEqual = (a: string, b: string): boolean => equivalent(a, b)?.equal ?? false;

describe('the table', () => {
  test.each(equal)('%s is %s', (a, b) => {
    expect(isEqual(a, b)).toBe(true);
    expect(isEqual(b, a)).toBe(true);
  });

  test.each(different)('%s is not %s', (a, b) => {
    expect(isEqual(a, b)).toBe(false);
    expect(isEqual(b, a)).toBe(false);
  });

  test('says how it knows', () => {
    expect(equivalent('7', '7')?.method).toBe('text');
    expect(equivalent('\\frac12', '0.5')?.method).toBe('exact');
    expect(equivalent('\\sqrt8', '2\\sqrt2')?.method).toBe('numeric');
    expect(equivalent('2x', 'x+x')?.method).toBe('sampled');
    expect(equivalent('(x+1)^2', 'x^2+1')).toEqual({ equal: false, method: 'sampled' });
    expect(equivalent('(2x,1/2)', '(x+x,0.5)')?.method).toBe('sampled');
  });

  test('null where the gold answer cannot be read, unless it is met letter by letter', () => {
    for (const gold of ['\\undefined{3}', '\\frac{1}{', '((1)', '\\int_0^1 x dx', 'x'.repeat(1001)]) {
      expect(equivalent('3', gold)).toBeNull();
      expect(equivalent(gold, gold)).toEqual({ equal: true, method: 'text' });
    }
    expect(equivalent('\\frac{1}{', '3')).toEqual({ equal: false, method: 'text' });
  });
});

describe('laws', () => {
  const whole = fc.integer({ min: -999, max: 999 });
  const positive = fc.integer({ min: 1, max: 999 });

  test('fractions are equal exactly when their cross products are', () => {
    forAll([whole, positive, whole, positive, positive], (a, b, c, d, k) => {
      expect(isEqual(`\\frac{${a}}{${b}}`, `${c}/${d}`)).toBe(a * d === c * b);
      expect(isEqual(`\\dfrac{${a * k}}{${b * k}}`, `\\frac{${a}}{${b}}`)).toBe(true);
    });
  });

  test('a decimal is the fraction that it is, and no other', () => {
    forAll([whole, fc.integer({ min: 0, max: 5 }), fc.integer({ min: -3, max: 3 })], (n, places, shift) => {
      const decimal = (n / 10 ** places).toFixed(places);
      expect(isEqual(decimal, `\\frac{${n + shift}}{${10 ** places}}`)).toBe(shift === 0);
    });
  });

  test('polynomials are equal exactly when their coefficients are', () => {
    const coefficients = fc.tuple(whole, whole, whole);
    forAll([coefficients, coefficients, fc.boolean()], (a, other, same) => {
      const b = same ? a : other;
      const horner = `((${b[0]})x+(${b[1]}))x+(${b[2]})`;
      expect(isEqual(`${a[0]}x^2+${a[1]}x+${a[2]}`.replaceAll('+-', '-'), horner)).toBe(a.join() === b.join());
    });
  });

  test('sets have no order, tuples have', () => {
    forAll([fc.uniqueArray(whole, { minLength: 2, maxLength: 6 })], (items) => {
      const turned = [...items.slice(1), items[0]];
      expect(isEqual(`\\{${items.join(',')}\\}`, `\\{${turned.join(', ')}\\}`)).toBe(true);
      expect(isEqual(`(${items.join(',')})`, `(${turned.join(', ')})`)).toBe(false);
    });
  });

  test('an answer is equal to itself however it is spaced, boxed and sized', () => {
    forAll([fc.constantFrom(...equal.flat())], (answer) => {
      if (answer.includes('$') || answer.includes('²')) return;
      expect(isEqual(` ${answer.replaceAll('\\left', '').replaceAll('\\right', '')} `, answer)).toBe(true);
    });
  });
});

describe('bounds', () => {
  test('hostile answers end, alone and against each other', () => {
    const long = mathEquivalence({ maxLength: 4000 });
    for (const text of hostileTexts) {
      const inner = text.replace(/^\\boxed\{(.*)\}$/s, '$1');
      for (const [answer, gold] of [
        [inner, '1'],
        ['1', inner],
        [inner.slice(0, 3990), `${inner.slice(0, 3990)}+0`],
      ] as const) {
        long(answer, gold);
        // Exponential parsing, or evaluation of huge powers, would not end within the time limit of a test.
      }
    }
  });

  test('a text that is nearly a quantity ends as soon as one that is', () => {
    // Words that could be cut in two ways took 3 s for 38 letters, and twice as long for every second one more.
    for (const part of ['a', 'ab ', 'a/', 'ab/', 'and ', '\\text{a} ', '1 ', '1,', '1/', "a'", 'per ', 'square ']) {
      for (const [before, behind] of [
        ['1 ', '!'],
        ['x=', '^'],
        ['', '?'],
      ] as const) {
        for (const length of [44, 380]) {
          equivalent(before + part.repeat(Math.floor(length / part.length)) + behind, '2');
        }
      }
    }
  });

  test('any row of signs is read or not, and never fails', () => {
    const signs = fc.constantFrom(
      ...[
        '1',
        '23',
        '.',
        'x',
        'e',
        'f',
        '+',
        '-',
        '*',
        '/',
        '^',
        '_',
        '!',
        '(',
        ')',
        '[',
        ']',
        '{',
        '}',
        '|',
        ',',
        '=',
      ],
      ...[
        '\\frac',
        '\\sqrt',
        '\\sin',
        '\\log',
        '\\exp',
        '\\pi',
        '\\{',
        '\\}',
        '\\pm',
        '\\cup',
        '\\infty',
        '\\text{ab}',
        '%',
        ' ',
        '$',
      ],
    );
    const row = fc.array(signs, { maxLength: 25 }).map((parts) => parts.join(''));
    forAll([row, row], (a, b) => {
      const there = equivalent(a, b);
      const back = equivalent(b, a);
      if (there !== null && back !== null) expect(there.equal).toBe(back.equal);
      expect(isEqual(a, a)).toBe(a.trim() !== '');
    });
  });

  test('huge numbers are unequal, not fatal', () => {
    for (const huge of [
      '2^{1000000000}',
      '9^{9^{9^9}}',
      '10^{-999999999}',
      '170!!',
      '171!',
      '(10^{300})^{300}',
      '0^{-1}',
      '1e400',
    ]) {
      expect(isEqual(huge, '3')).toBe(false);
    }
    expect(isEqual('2^{2000}', '4^{1000}')).toBe(true);
    expect(isEqual('2^{2000}', '4^{1000}+1')).toBe(false);
    expect(isEqual('100!', '99!\\cdot100')).toBe(true);
    expect(isEqual('((-1))^{1000000}', '1')).toBe(true);
  });
});

describe('options', () => {
  test('relative is for decimals that round, not for those that are exact', () => {
    expect(mathEquivalence({ relative: 0.01 })('0.33', '\\frac13')?.equal).toBe(true);
    expect(mathEquivalence({ relative: 0 })('0.3333', '\\frac13')?.equal).toBe(false);
    expect(mathEquivalence({ relative: 0.1 })('0.26', '\\frac14')?.equal).toBe(false);
  });

  test('requireReduced', () => {
    const reduced = mathEquivalence({ requireReduced: true });
    expect(reduced('\\frac{2}{4}', '\\frac12')?.equal).toBe(false);
    expect(reduced('(1,6/4)', '(1,\\frac32)')?.equal).toBe(false);
    expect(reduced('\\frac{-1}{2}', '-0.5')?.equal).toBe(true);
    expect(reduced('0.\\overline{3}', '\\frac13')?.equal).toBe(true);
    expect(equivalent('\\frac{2}{4}', '\\frac12')?.equal).toBe(true);
  });

  test.each([
    [() => mathEquivalence({ relative: -1 }), 'mathEquivalence: relative must be in [0, 0.1]; got -1'],
    [
      () => mathEquivalence({ maxLength: 0 }),
      'mathEquivalence: maxLength must be a positive integer of at most 4000; got 0',
    ],
  ])('%# is refused', (build, message) => {
    expect(build).toThrow(message);
  });
});

describe('mathMatch', () => {
  const score = (
    completion: string,
    answer: string | readonly string[] | null,
    options = {},
  ): number | null | undefined => mathMatch(options)([{ completion, answer }])[0] as number | null | undefined;

  test('finds answers in boxes, behind ####, in answer lines, or the last number', () => {
    expect(score('we get \\boxed{\\frac{1}{2}}, not \\(3\\)', '0.5')).toBe(1);
    expect(score('6 + 6 = 12\n#### 1,200', '1200')).toBe(1);
    expect(score('Answer: $x = 5$', '5')).toBe(1);
    expect(score('The answer is 5 apples.', '5')).toBe(1);
    expect(score('so there are 12 of them', '12')).toBe(1);
    expect(score('I do not know', '12')).toBe(0);
    expect(score('', '12')).toBe(0);
  });

  test('reads gold answers that are whole solutions, and any of several', () => {
    expect(score('\\boxed{72}', 'He has 6 * 12 = 72.\n#### 72')).toBe(1);
    expect(score('\\boxed{72}', 'so \\boxed{\\frac{144}{2}}.')).toBe(1);
    expect(score('\\boxed{72}', ['71', '72'])).toBe(1);
    expect(score('\\boxed{72}', ['71', '\\nonsense{'])).toBe(0);
  });

  test('null without a gold answer that can be read', () => {
    expect(score('\\boxed{72}', null)).toBeNull();
    expect(score('\\boxed{72}', [])).toBeNull();
    expect(score('', ' ')).toBeNull();
    expect(score('\\boxed{72}', '\\nonsense{')).toBeNull();
  });

  test('other scores', () => {
    expect(score('\\boxed{1}', '2', { wrong: -1 })).toBe(-1);
    expect(score('\\boxed{2}', '2', { correct: 3 })).toBe(3);
    expect(() => mathMatch({ correct: Number.NaN })).toThrow('mathMatch: correct must be finite; got NaN');
    expect(() => mathMatch({ wrong: -Infinity })).toThrow('mathMatch: wrong must be finite; got -Infinity');
  });
});
