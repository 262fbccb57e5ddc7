import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  afterReasoning,
  answerLine,
  bleu,
  boxedAnswer,
  choiceLetter,
  type Extractor,
  exactMatch,
  extractionFailures,
  finalAnswerText,
  firstFound,
  hashAnswer,
  inTail,
  lastAssistantText,
  lastNumber,
  mathText,
  numericMatch,
  parseNumber,
  questionAnswerText,
  rouge,
  tagFormat,
  taggedAnswer,
  thinkFormat,
  tokenF1,
  wholeText,
  within,
} from '../src/index.ts';
import { anyText } from './reward-laws.ts';

const value = (extract: Extractor, text: string): string | undefined => extract(text)?.value;

describe('extraction', () => {
  test.each<[Extractor, string, string | undefined]>([
    [boxedAnswer(), 'a \\boxed{3} b \\boxed{\\frac{1}{2}} c', '\\frac{1}{2}'],
    [boxedAnswer({ pick: 'first' }), 'a \\boxed{3} b \\boxed{4}', '3'],
    [boxedAnswer(), '\\boxed{\\{1,2\\}}', '\\{1,2\\}'],
    [boxedAnswer(), '\\boxed{\\left\\{1\\right.}', '\\left\\{1\\right.'],
    [boxedAnswer(), '\\boxed {5}', '5'],
    [boxedAnswer(), '\\boxed 7 $ end', '7'],
    [boxedAnswer(), '\\boxed 7\nend', '7'],
    [boxedAnswer(), '\\fbox{8}', '8'],
    [boxedAnswer({ commands: ['\\boxed'] }), '\\fbox{8}', undefined],
    [boxedAnswer(), '\\boxed{1} \\boxed{2', undefined],
    [boxedAnswer(), '\\boxedx{1}', undefined],
    [boxedAnswer(), '\\boxed7', undefined],
    [boxedAnswer(), '', undefined],
    [hashAnswer(), '#### 1,234.50', '1234.50'],
    [hashAnswer(), '#### $42.', '42'],
    [hashAnswer(), '####-3', '-3'],
    [hashAnswer(), '#### 5\n#### six', '5'],
    [hashAnswer({ pick: 'first' }), '#### 5\n#### 6', '5'],
    [hashAnswer(), '#### none', undefined],
    [hashAnswer({ run: true }), '#### 5.', '5.'],
    [hashAnswer({ run: true }), '#### $5', undefined],
    [hashAnswer({ run: true }), '####  5', undefined],
    [lastNumber(), 'from 3 to -4.50.', '-4.50'],
    [lastNumber(), 'about 1,234,567, or so', '1,234,567'],
    [lastNumber({ pick: 'first' }), 'from 3 to 4', '3'],
    [lastNumber(), 'v1.2.3', '3'],
    [lastNumber(), '2 x 1.5e-3', '1.5e-3'],
    [lastNumber(), '3eggs', '3'],
    [lastNumber(), 'none. , -', undefined],
    [lastNumber({ run: true }), 'It is 7.', '7.'],
    [lastNumber({ run: true }), '5 .', '5'],
    [answerLine(), 'Answer: 3\nANSWER : 4 \nbye', '4'],
    [answerLine({ pick: 'first' }), 'Answer: 3\nAnswer: 4', '3'],
    [answerLine(), 'So the answer is 12 apples', '12 apples'],
    [answerLine(), 'Answer:\n\n 5', '5'],
    [answerLine(), 'Answer:', undefined],
    [answerLine({ markers: ['answer:'] }), 'the answer is 5', undefined],
    [taggedAnswer(), '<answer> a </answer><answer>b</answer>', 'b'],
    [taggedAnswer({ pick: 'first' }), '<answer> a </answer><answer>b</answer>', 'a'],
    [taggedAnswer(), '<answer>a<answer>b</answer>', 'a<answer>b'],
    [taggedAnswer({ tag: 'x' }), '<x>1</x><x>2', '1'],
    [taggedAnswer(), '</answer><answer>', undefined],
    [choiceLetter(), 'A or (B)? **C**.', 'C'],
    [choiceLetter(), "I'D say BAD: E", undefined],
    [choiceLetter({ letters: 'AB', pick: 'first' }), 'C B A', 'B'],
    [afterReasoning(), '<think>5</think> 6</think> 7', '7'],
    [afterReasoning(), '<think>5', undefined],
    [wholeText, ' x ', 'x'],
    [firstFound(boxedAnswer(), lastNumber()), 'it is 5', '5'],
    [firstFound(boxedAnswer(), lastNumber()), 'it is \\boxed{6}, not 5', '6'],
    [firstFound(), 'it is 5', undefined],
    [within(afterReasoning(), lastNumber()), '<think>5</think> so 6', '6'],
    [within(afterReasoning(), lastNumber()), '<think>5 so 6', undefined],
    [inTail(5, lastNumber()), '12345 67 no', '67'],
    [inTail(2, lastNumber()), '67 no', undefined],
  ])('%# %o', (extract, text, expected) => {
    expect(value(extract, text)).toBe(expected);
  });

  test('spans and counts', () => {
    const text = 'x <answer> a </answer> y <answer>b</answer></answer>';
    const found = taggedAnswer()(text);
    expect(text.slice(found?.start, found?.end)).toBe('<answer>b</answer>');
    expect(found).toMatchObject({ method: 'taggedAnswer', candidates: 3 });
    const deep = '<think>\\boxed{1}</think> \\boxed{2}.';
    const inner = within(afterReasoning(), inTail(11, boxedAnswer()))(deep);
    expect(deep.slice(inner?.start, inner?.end)).toBe('\\boxed{2}');
    expect(hashAnswer({ pick: 'first' })('#### 1 #### 2')?.candidates).toBe(2);
  });

  test('what is between balanced braces comes out of a box', () => {
    const tree = fc.letrec<{ text: string }>((tie) => ({
      text: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom('', 'a', '1', '\\{', '\\}', '\\\\'),
        tie('text').map((t) => `{${t}}b`),
      ),
    })).text;
    forAll([tree, fc.string({ maxLength: 9 })], (content, before) => {
      expect(value(boxedAnswer(), `${before}\\boxed{${content}} after`)).toBe(content.trim());
    });
  });

  test('the last number is the last that was written', () => {
    forAll([fc.integer(), fc.constantFrom('', '.', ',', ' apples.', '!')], (number, end) => {
      expect(value(lastNumber(), `3 and 4.5 and ${number}${end}`)).toBe(String(number));
      expect(value(hashAnswer(), `#### 3\n#### ${number}${end}`)).toBe(String(number));
    });
  });

  test('failures, and the text of a conversation', () => {
    expect(extractionFailures(boxedAnswer(), ['\\boxed{1}', '', '\\boxed{2', 'x'])).toBe(0.75);
    expect(extractionFailures(boxedAnswer(), [])).toBe(0);
    expect(
      lastAssistantText([
        { role: 'assistant', content: 'a' },
        { role: 'user', content: 'b' },
      ]),
    ).toBe('a');
    expect(lastAssistantText([])).toBe('');
  });

  test.each([
    [() => boxedAnswer({ pick: 'middle' as 'last' }), "boxedAnswer: pick must be 'first' or 'last'; got \"middle\""],
    [() => boxedAnswer({ commands: [] }), 'boxedAnswer: commands must be at least one command; got []'],
    [() => answerLine({ markers: [''] }), 'answerLine: markers must be one or more, none of them empty; got [""]'],
    [() => taggedAnswer({ tag: '' }), 'taggedAnswer: tag must be not empty; got ""'],
    [() => choiceLetter({ letters: 'AA' }), 'choiceLetter: letters must be different capitals; got "AA"'],
    [() => afterReasoning({ delimiter: '' }), 'afterReasoning: delimiter must be not empty; got ""'],
    [() => inTail(0, wholeText), 'inTail: characters must be a positive integer; got 0'],
  ])('%# is refused', (build, message) => {
    expect(build).toThrow(message);
  });
});

describe('normal forms', () => {
  test('questionAnswerText', () => {
    expect(questionAnswerText(' The  Eiffel-Tower, an A! ')).toBe('eiffeltower');
    expect(questionAnswerText('ﬁve ５')).toBe('five 5');
    forAll([anyText], (text) => {
      const once = questionAnswerText(text);
      // Lower case may bring a new compatibility form to light, once.
      expect(questionAnswerText(questionAnswerText(once))).toBe(questionAnswerText(once));
    });
  });

  test.each([
    ['\\frac12', '\\frac{1}{2}'],
    ['\\tfrac 1 2', '\\frac{1}{2}'],
    ['\\dfrac{1}{2}', '\\frac{1}{2}'],
    ['1/2', '\\frac{1}{2}'],
    ['0.5', '\\frac{1}{2}'],
    ['x/2', 'x/2'],
    ['01/2', '01/2'],
    ['k=3', '3'],
    ['abc=3', 'abc=3'],
    ['10\\%', '10'],
    ['10%', '10'],
    ['.5x', '0.5x'],
    ['5\\text{ cm}', '5'],
    ['90^{\\circ}', '90'],
    ['\\left(1,\\,2\\right)', '(1,\\,2)'],
    ['\\sqrt2', '\\sqrt{2}'],
    ['\\$5', '5'],
    ['\\frac1{72}', '\\frac{1}{72}'],
    ['\\sqrt', '\\sqrt'],
    ['', ''],
  ])('mathText of %s is %s', (text, expected) => {
    expect(mathText(text)).toBe(expected);
  });

  test.each([
    ['$x = 5$', '5'],
    ['the area is a $\\frac12$ square feet', '\\frac{1}{2}'],
    ['1,000', '1000'],
    ['7 dollars', '7'],
    ['\\text{even}', 'even'],
    ['\\boxed{\\sqrt3}', '\\sqrt{3}'],
    ['90^\\circ', '90'],
    ['3\\text{ m}', '3'],
    ['', ''],
  ])('finalAnswerText of %s is %s', (text, expected) => {
    expect(finalAnswerText(text)).toBe(expected);
  });
});

describe('numbers', () => {
  test.each([
    ['12', 12],
    ['-1,234.5', -1234.5],
    ['+.5', 0.5],
    ['5.', 5],
    ['1e-3', 0.001],
    ['3/4', 0.75],
    ['-3/4', -0.75],
    ['1 1/2', 1.5],
    ['-1 1/2', -1.5],
    ['50%', 0.5],
    ['50 \\%', 0.5],
    ['$1,000', 1000],
    ['-$5', -5],
    ['\\$5.20', 5.2],
    ['−7', -7],
    ['1,23', undefined],
    ['1234,567', undefined],
    ['1/0', undefined],
    ['1e999', undefined],
    ['1.2.3', undefined],
    ['NaN', undefined],
    ['Infinity', undefined],
    ['0x10', undefined],
    ['five', undefined],
    ['', undefined],
  ])('%s is %s', (text, expected) => {
    expect(parseNumber(text)?.value).toBe(expected);
  });

  test('a number keeps its sign, whichever minus it is written with', () => {
    expect(lastNumber()('so it is −5.')?.value).toBe('−5');
    expect(hashAnswer()('#### −1,205')?.value).toBe('−1205');
    expect(numericMatch()([{ completion: 'so it is −5.', answer: '5' }])).toEqual([0]);
    expect(numericMatch()([{ completion: '#### −5', answer: '-5' }])).toEqual([1]);
    // verl's expressions know the hyphen alone.
    expect(lastNumber({ run: true })('−5')?.value).toBe('5');
    expect(hashAnswer({ run: true })('#### −5')).toBeUndefined();
  });

  test('no number is within a share of infinity', () => {
    const tolerant = numericMatch({ percentTolerant: true });
    expect(tolerant([{ completion: '3', answer: '1e307' }])).toEqual([0]);
    expect(tolerant([{ completion: '1e305', answer: '1e307' }])).toEqual([1]);
  });

  test('a gold answer that is empty in its normal form stands in no other', () => {
    const contained = exactMatch({ match: 'substring' });
    expect(contained([{ completion: 'anything', answer: 'the' }])).toEqual([0]);
    expect(contained([{ completion: 'The!', answer: 'the' }])).toEqual([1]);
  });

  test('reads back what is written', () => {
    forAll([fc.double({ noNaN: true, noDefaultInfinity: true })], (x) => {
      expect(parseNumber(String(x))?.value).toBe(x + 0);
    });
    forAll([fc.integer({ min: -1e9, max: 1e9 })], (n) => {
      expect(parseNumber(n.toLocaleString('en-US'))).toEqual({ value: n, whole: true });
    });
  });

  const score = (completion: string, answer: string | string[], options = {}): number | null | undefined =>
    numericMatch(options)([{ completion, answer }])[0] as number | null | undefined;

  test('numericMatch', () => {
    expect(score('\\boxed{0.75}', '3/4')).toBe(1);
    expect(score('#### 1,000', '1000')).toBe(1);
    expect(score('about 100.005', '100')).toBe(1);
    expect(score('about 100.02', '100')).toBe(0);
    expect(score('about 100.005', '100', { strictInteger: true })).toBe(0);
    expect(score('about 100.005', '100.0', { strictInteger: true })).toBe(1);
    expect(score('0.5', '50')).toBe(0);
    expect(score('0.5', '50', { percentTolerant: true })).toBe(1);
    expect(score('5000', '50', { percentTolerant: true })).toBe(1);
    expect(score('1e-10', '0')).toBe(1);
    expect(score('7', ['6', '7'])).toBe(1);
    expect(score('7', ['six', '7'])).toBe(1);
    expect(score('7', ['six'])).toBeNull();
    expect(score('none', '7')).toBe(0);
    expect(() => numericMatch({ relative: 1 })).toThrow('numericMatch: relative must be in [0, 1); got 1');
    expect(() => numericMatch({ absolute: -1 })).toThrow(
      'numericMatch: absolute must be a finite number of at least 0',
    );
  });
});

describe('matches and formats', () => {
  test('exactMatch', () => {
    const score = (completion: string, answer: string | string[] | null, options = {}): number | null | undefined =>
      exactMatch(options)([{ completion, answer }])[0] as number | null | undefined;
    expect(score('The Paris!', 'paris')).toBe(1);
    expect(score('Paris, France', 'paris')).toBe(0);
    expect(score('Paris, France', 'paris', { match: 'substring' })).toBe(1);
    expect(score('Paris', ['London', 'Paris'])).toBe(1);
    expect(score('Paris', null)).toBeNull();
    expect(score('Paris', [])).toBeNull();
    const options = { extract: taggedAnswer(), correct: 2, wrong: -1, missing: -2 };
    expect(score('<answer>Paris</answer>', 'Paris', options)).toBe(2);
    expect(score('<answer>Rome</answer>', 'Paris', options)).toBe(-1);
    expect(score('Paris', 'Paris', options)).toBe(-2);
    const hedging = { limit: 2, factor: 0.25 };
    expect(score('<answer>Paris</answer>'.repeat(2), 'Paris', { ...options, hedging })).toBe(2);
    expect(score('<answer>Paris</answer>'.repeat(3), 'Paris', { ...options, hedging })).toBe(0.5);
    expect(() => exactMatch({ match: 'x' as 'equal' })).toThrow("exactMatch: match must be 'equal' or 'substring'");
    expect(() => exactMatch({ correct: Number.NaN })).toThrow('exactMatch: correct must be finite; got NaN');
    expect(() => exactMatch({ hedging: { limit: 0, factor: 1 } })).toThrow(
      'exactMatch: hedging.limit must be at least 1',
    );
  });

  test('tokenF1: an oracle by removing words one by one', () => {
    const words = fc.array(fc.constantFrom('x', 'y', 'z'), { maxLength: 6 });
    forAll([words, words], (a, b) => {
      const rest = [...b];
      let common = 0;
      for (const word of a) {
        const at = rest.indexOf(word);
        if (at >= 0) {
          rest.splice(at, 1);
          common += 1;
        }
      }
      const [precision, recall] = [common / a.length, common / b.length];
      const expected =
        a.length + b.length === 0 ? 1 : common === 0 ? 0 : (2 * precision * recall) / (precision + recall);
      const [score] = tokenF1()([{ completion: a.join(' '), answer: b.join(' ') }]);
      expect(score).toBeCloseTo(expected, 12);
    });
    expect(tokenF1({ extract: taggedAnswer() })([{ completion: 'x', answer: 'x' }])).toEqual([0]);
    expect(
      tokenF1()([
        { completion: 'x y', answer: ['z', 'x y'] },
        { completion: 'x', answer: null },
      ]),
    ).toEqual([1, null]);
  });

  test('rouge: oracles that try every subsequence, and count n-grams one by one', () => {
    const words = fc.array(fc.constantFrom('x', 'y', 'z'), { minLength: 1, maxLength: 7 });
    const f = (matches: number, a: number, b: number): number => (matches === 0 ? 0 : (2 * matches) / (a + b));
    const longest = (a: readonly string[], b: readonly string[]): number => {
      if (a.length === 0 || b.length === 0) return 0;
      if (a[0] === b[0]) return 1 + longest(a.slice(1), b.slice(1));
      return Math.max(longest(a.slice(1), b), longest(a, b.slice(1)));
    };
    forAll([words, words], (a, b) => {
      const sample = { completion: a.join(' '), answer: b.join(' ') };
      expect(rouge()([sample])[0]).toBeCloseTo(f(longest(a, b), a.length, b.length), 12);
      const pairs = (of: readonly string[]): string[] => of.slice(1).map((word, i) => `${of[i]}${word}`);
      const rest = pairs(b);
      const matches = pairs(a).filter((pair) => {
        const at = rest.indexOf(pair);
        if (at >= 0) rest.splice(at, 1);
        return at >= 0;
      }).length;
      expect(rouge({ kind: 2 })([sample])[0]).toBeCloseTo(f(matches, a.length - 1, b.length - 1), 12);
      expect(bleu()([{ ...sample, answer: sample.completion }])[0]).toBe(1);
    });
    const [score] = rouge({ beta: 2 })([{ completion: 'x y z', answer: 'x y' }]);
    expect(score).toBeCloseTo((5 * (2 / 3)) / (1 + 4 * (2 / 3)), 12);
    expect(
      rouge()([
        { completion: '', answer: 'x' },
        { completion: 'x', answer: null },
      ]),
    ).toEqual([0, null]);
    expect(() => rouge({ kind: 0 })).toThrow("rouge: kind must be 'L' or a positive integer; got 0");
    expect(() => rouge({ beta: 0 })).toThrow('rouge: beta must be positive and finite; got 0');
  });

  test('bleu: by hand', () => {
    const of = (completion: string, answer: string | string[], options = {}): number =>
      bleu(options)([{ completion, answer }])[0] as number;
    // 1-grams 3/4, 2-grams (1 + 1)/(3 + 1), 3-grams (0 + 1)/(2 + 1), 4-grams (0 + 1)/(1 + 1); no brevity.
    expect(of('x y z z', 'x y q z')).toBeCloseTo((0.75 * 0.5 * (1 / 3) * 0.5) ** 0.25, 12);
    expect(of('x y', 'x y z', { order: 1 })).toBeCloseTo(Math.exp(-0.5), 12);
    expect(of('x', ['y', 'x'], { order: 1 })).toBe(1);
    expect([of('', 'x'), of('y', 'x')]).toEqual([0, 0]);
    expect(() => bleu({ order: 0 })).toThrow('bleu: order must be a positive integer; got 0');
  });

  test('formats', () => {
    const think = (completion: string): number | null | undefined => thinkFormat()([{ completion }])[0];
    expect(['<think>a</think>b', '<think></think>'].map(think)).toEqual([1, 1]);
    expect(['', ' <think></think>', '<think>', '<think><think></think>', '</think><think>'].map(think)).toEqual([
      0, 0, 0, 0, 0,
    ]);
    expect(thinkFormat({ tag: 'r' })([{ completion: '<r>1</r>' }])).toEqual([1]);
    expect(tagFormat()([{ completion: '<think></think><answer>' }, { completion: '<think><think></think>' }])).toEqual([
      0.75, 0.25,
    ]);
    expect(() => tagFormat({ tags: [] })).toThrow('tagFormat: tags must be one or more, none of them empty; got []');
    expect(() => thinkFormat({ tag: '' })).toThrow('thinkFormat: tag must be not empty; got ""');
  });
});
