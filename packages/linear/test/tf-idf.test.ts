import { readFileSync } from 'node:fs';
import { isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitTfIdf, type SparseFeatures, type TfIdfModel, type TfIdfOptions, tfIdf } from '../src/index.ts';

const tight = { absolute: 1e-15, relative: 1e-12 };

/** The entries of each row, by term. */
function byTerm({ terms }: TfIdfModel, { starts, indices, values, rows }: SparseFeatures): Record<string, number>[] {
  return Array.from({ length: rows }, (_, i) => {
    const span = [starts[i], starts[i + 1]] as const;
    const row = indices.subarray(...span);
    expect([...row].sort((a, b) => a - b)).toEqual([...row]);
    return Object.fromEntries(Array.from(row, (j, k) => [terms[j] as string, values.subarray(...span)[k] as number]));
  });
}
function expectSame(actual: readonly Record<string, number>[], expected: readonly Record<string, number>[]): void {
  expect(actual.map((row) => Object.keys(row).sort())).toEqual(expected.map((row) => Object.keys(row).sort()));
  const values = (rows: readonly Record<string, number>[]): number[] =>
    rows.flatMap((row) =>
      Object.keys(row)
        .sort()
        .map((term) => row[term] as number),
    );
  expect(maxError(values(actual), values(expected), tight)).toBeLessThanOrEqual(1);
}

interface Expected {
  readonly terms: string[];
  readonly idf: number[];
  readonly rows: Record<string, number>[];
  readonly new: Record<string, number>[];
}
const fixture = JSON.parse(readFileSync(new URL('fixtures/scikit-learn.json', import.meta.url), 'utf8')) as {
  texts: string[];
  newTexts: string[];
  tfIdf: Record<'oneAndTwo' | 'twoAndThreeCounted' | 'wordsCounted', Expected>;
};

describe('scikit-learn 1.9.1 (fixtures/scikit-learn.py)', () => {
  test.each([
    ['oneAndTwo', {}],
    ['twoAndThreeCounted', { ngramRange: [2, 3], sublinear: false }],
    ['wordsCounted', { ngramRange: [1, 1], sublinear: false }],
  ] as const)('%s', (name, options) => {
    const expected = fixture.tfIdf[name];
    const model = fitTfIdf(fixture.texts, options);
    // Python sorts by code points, JavaScript by halves of those beyond U+FFFF, which stand last here either way.
    expect(model.terms).toEqual(expected.terms);
    expect(maxError(model.idf, expected.idf, tight)).toBeLessThanOrEqual(1);
    const rowsOf = tfIdf(model);
    expectSame(byTerm(model, rowsOf(fixture.texts)), expected.rows);
    expectSame(byTerm(model, rowsOf(fixture.newTexts)), expected.new);
  });
});

/** The words by a walk over the letters, without a regular expression of a whole word. */
function wordsOf(text: string): string[] {
  const words = [''];
  for (const letter of text.toLowerCase()) {
    if (/^[\p{L}\p{N}_]$/u.test(letter)) words[words.length - 1] += letter;
    else words.push('');
  }
  return words.filter((word) => [...word].length > 1);
}

/** The definition, with a count over all texts for every entry. */
function oracle(texts: readonly string[], { ngramRange = [1, 2], sublinear = true }: TfIdfOptions) {
  const terms = texts.map((text) => {
    const words = wordsOf(text);
    const found: string[] = [];
    for (let at = 0; at < words.length; at++) {
      for (let n = ngramRange[0]; n <= ngramRange[1] && at + n <= words.length; n++) {
        found.push(words.slice(at, at + n).join(' '));
      }
    }
    return found;
  });
  const rows = terms.map((found) => {
    const entries = [...new Set(found)].map((term) => {
      const count = found.filter((other) => other === term).length;
      const idf = Math.log((1 + texts.length) / (1 + terms.filter((other) => other.includes(term)).length)) + 1;
      return [term, (sublinear ? 1 + Math.log(count) : count) * idf] as const;
    });
    const norm = Math.hypot(...entries.map(([, value]) => value));
    return Object.fromEntries(entries.map(([term, value]) => [term, value / norm]));
  });
  return { terms: [...new Set(terms.flat())].sort(), rows };
}

// Few words, so that terms repeat; names that objects have already; every kind of letter and gap.
const word = fc.constantFrom(
  'tea',
  'Tea',
  'boat',
  'a',
  '42',
  'été',
  'ÉTÉ',
  'constructor',
  '__proto__',
  'toString',
  '東京',
  '𝐀𝐁',
  '𝐀',
);
const gap = fc.constantFrom(' ', ', ', '\n', "'", '-', '_', '\u0301', '');
const text = fc.oneof(
  fc.array(fc.tuple(word, gap), { maxLength: 8 }).map((parts) => parts.flat().join('')),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const texts = fc.array(text, { minLength: 1, maxLength: 6 });
const options: fc.Arbitrary<Required<TfIdfOptions>> = fc
  .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 2 }), fc.boolean())
  .map(([least, more, sublinear]) => ({ ngramRange: [least, least + more], sublinear }));

describe('laws', () => {
  /** The model, unless the texts have no term. */
  const fitted = (of: readonly string[], settings: TfIdfOptions): TfIdfModel => {
    fc.pre(oracle(of, settings).terms.length > 0);
    return fitTfIdf(of, settings);
  };

  test('is its definition', () => {
    forAll([texts, options], (of, settings) => {
      const model = fitted(of, settings);
      const { terms, rows } = oracle(of, settings);
      expect(model).toEqual({ ...settings, terms, idf: expect.any(Array) as number[] });
      expectSame(byTerm(model, tfIdf(model)(of)), rows);
    });
  });

  test('rows have norm 1, or no entry; every idf lies between 1, for what all texts have, and 1 + log((1 + N) / 2)', () => {
    forAll([texts, texts, options], (of, others, settings) => {
      const model = fitted(of, settings);
      for (const row of byTerm(model, tfIdf(model)([...of, ...others]))) {
        const values = Object.values(row);
        if (values.length > 0) expect(Math.hypot(...values)).toBeCloseTo(1, 12);
        for (const value of values) expect(value).toBeGreaterThan(0);
      }
      for (const idf of model.idf) {
        expect(idf).toBeGreaterThanOrEqual(1);
        expect(idf).toBeLessThanOrEqual(1 + Math.log((1 + of.length) / 2) + 1e-12);
      }
      const twice = [...of, ...of].map((words) => `${words} everywhere`);
      const everywhere = fitTfIdf(twice, { ...settings, ngramRange: [1, 1] });
      expect(everywhere.idf[everywhere.terms.indexOf('everywhere')]).toBe(1);
    });
  });

  test('the order of the texts changes the order of the rows alone', () => {
    forAll([texts, options], (of, settings) => {
      const model = fitted(of, settings);
      const other = fitTfIdf(of.toReversed(), settings);
      expect(other).toEqual(model);
      expect(byTerm(other, tfIdf(other)(of.toReversed()))).toEqual(byTerm(model, tfIdf(model)(of)).toReversed());
    });
  });

  test('of words alone, their order does not matter; capitals and unknown words never do', () => {
    forAll([fc.array(word, { minLength: 2, maxLength: 8 })], (words) => {
      const line = ['tea', ...words].join(' ');
      const model = fitTfIdf([line, 'tea boat'], { ngramRange: [1, 1] });
      const rowsOf = tfIdf(model);
      const expected = byTerm(model, rowsOf([line]));
      expectSame(byTerm(model, rowsOf([line.split(' ').toReversed().join(' ')])), expected);
      expectSame(byTerm(model, rowsOf([`${line} never seen`])), expected);
      expect(byTerm(model, rowsOf([line.toUpperCase().toLowerCase()]))).toEqual(
        byTerm(model, rowsOf([line.toUpperCase()])),
      );
    });
  });

  test('the model is JSON', () => {
    forAll([texts, options], (of, settings) => {
      const model = fitted(of, settings);
      const read = JSON.parse(JSON.stringify(model)) as TfIdfModel;
      expect(read).toEqual(model);
      expect(tfIdf(read)(of)).toEqual(tfIdf(model)(of));
    });
  });
});

describe('errors', () => {
  const model = fitTfIdf(['tea for two']);
  test.each([
    [
      'option',
      () => fitTfIdf(['tea'], { ngramRange: [0, 1] }),
      'fitTfIdf: ngramRange must be two whole numbers, 1 ≤ first ≤ second; got [0,1]',
    ],
    ['option', () => fitTfIdf(['tea'], { ngramRange: [2, 1] }), 'got [2,1]'],
    ['option', () => fitTfIdf(['tea'], { ngramRange: [1, 1.5] }), 'got [1,1.5]'],
    ['data', () => fitTfIdf([]), 'fitTfIdf: there is no term in the 0 texts'],
    ['data', () => fitTfIdf(['a b c', '!']), 'fitTfIdf: there is no term in the 2 texts'],
    [
      'data',
      () => fitTfIdf(['tea'], { ngramRange: [2, 2] }),
      'fitTfIdf: there is no term in the 1 texts; a term is 2 to 2 words, a word two letters or digits at least',
    ],
    [
      'state',
      () => tfIdf({ ...model, idf: [1] }),
      'tfIdf: the model must have an idf of at least 1 for each of its 5 terms',
    ],
    [
      'state',
      () => tfIdf({ ...model, idf: [1, 1, 1, 1, Number.NaN] }),
      'tfIdf: the model must have an idf of at least 1',
    ],
  ] as const)('%s, case %#', (code, call, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect(isTsrlError(thrown, code)).toBe(true);
    expect((thrown as Error).message).toContain(message);
  });
});
