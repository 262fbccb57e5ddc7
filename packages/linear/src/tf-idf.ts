import { DataError, OptionError, StateError } from '@tsrl/core';
import type { SparseFeatures } from './features.js';

/** Options of {@link fitTfIdf}. */
export interface TfIdfOptions {
  /** The shortest and the longest terms, in words; default [1, 2]. */
  readonly ngramRange?: readonly [number, number];
  /** Count a term that occurs n times in a text 1 + log n times instead of n times; default true. */
  readonly sublinear?: boolean;
}

/** What {@link fitTfIdf} has learned, as JSON. */
export interface TfIdfModel {
  readonly ngramRange: readonly [number, number];
  readonly sublinear: boolean;
  /** Term of each column, in the order in which JavaScript sorts. */
  readonly terms: readonly string[];
  /** Of each term: at least 1, the higher the rarer. */
  readonly idf: readonly number[];
}

/**
 * Learns the terms of texts and how rare they are. A word is a run of at least two letters, digits or underscores of any
 * script (`[\p{L}\p{N}_]{2,}`) of the lower-cased text; a term is a sequence of `ngramRange` words, joined by blanks. With
 * df the number of the N texts that have the term,
 *
 *   idf = log((1 + N) / (1 + df)) + 1
 *
 * Differences: equal to scikit-learn's `TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)`, whose own defaults are
 * (1, 1) and False, up to the order of the columns where terms have letters beyond U+FFFF.
 *
 * @throws OptionError unless the range is of two whole numbers with 1 ≤ first ≤ second; DataError when the texts have no
 *   term at all
 * @see Salton and Buckley 1988, "Term-weighting approaches in automatic text retrieval"
 */
export function fitTfIdf(
  texts: readonly string[],
  { ngramRange = [1, 2], sublinear = true }: TfIdfOptions = {},
): TfIdfModel {
  const [least, most] = ngramRange;
  if (!(Number.isInteger(least) && Number.isInteger(most) && least >= 1 && most >= least)) {
    throw new OptionError('fitTfIdf', 'ngramRange', 'two whole numbers, 1 ≤ first ≤ second', ngramRange);
  }
  const found = new Map<string, { texts: number; last: number }>();
  texts.forEach((text, i) => {
    for (const term of termsOf(text, ngramRange)) {
      const seen = found.get(term);
      if (seen === undefined) found.set(term, { texts: 1, last: i });
      else if (seen.last !== i) {
        seen.texts += 1;
        seen.last = i;
      }
    }
  });
  if (found.size === 0) {
    const rule = `a term is ${least} to ${most} words, a word two letters or digits at least`;
    throw new DataError('fitTfIdf', `there is no term in the ${texts.length} texts; ${rule}`);
  }
  const terms = [...found.keys()].sort();
  const idf = terms.map((term) => Math.log((1 + texts.length) / (1 + (found.get(term)?.texts as number))) + 1);
  return { ngramRange: [least, most], sublinear, terms, idf };
}

/**
 * Turns texts into rows: each term that the model knows has the entry (1 + log n) · idf, n being how often the text has
 * it (n · idf unless sublinear), divided by the norm of the row. A text without any known term is a row of zeros.
 *
 * @throws StateError for a model that {@link fitTfIdf} did not make
 */
export function tfIdf(model: TfIdfModel): (texts: readonly string[]) => SparseFeatures {
  const { ngramRange, sublinear, terms, idf } = model;
  if (terms.length !== idf.length || !idf.every((x) => x >= 1)) {
    const problem = `the model must have an idf of at least 1 for each of its ${terms.length} terms`;
    throw new StateError('tfIdf', problem);
  }
  const columns = new Map(terms.map((term, j) => [term, j]));

  return (texts) => {
    const starts = new Int32Array(texts.length + 1);
    const indices: number[] = [];
    const values: number[] = [];
    texts.forEach((text, i) => {
      const hits: number[] = [];
      for (const term of termsOf(text, ngramRange)) {
        const column = columns.get(term);
        if (column !== undefined) hits.push(column);
      }
      const sorted = Int32Array.from(hits).sort();
      const first = values.length;
      let squares = 0;
      for (let k = 0; k < sorted.length; ) {
        const column = sorted[k] as number;
        let count = 0;
        for (; sorted[k] === column; k++) count += 1;
        const value = (sublinear ? 1 + Math.log(count) : count) * (idf[column] as number);
        indices.push(column);
        values.push(value);
        squares += value * value;
      }
      const norm = Math.sqrt(squares);
      for (let k = first; k < values.length; k++) values[k] = (values[k] as number) / norm;
      starts[i + 1] = values.length;
    });
    return {
      starts,
      indices: Int32Array.from(indices),
      values: Float64Array.from(values),
      rows: texts.length,
      columns: terms.length,
    };
  };
}

function termsOf(text: string, [least, most]: readonly [number, number]): string[] {
  const words: string[] = text.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu) ?? [];
  const terms = least === 1 ? words.slice() : [];
  for (let n = Math.max(2, least); n <= most; n++) {
    for (let i = 0; i + n <= words.length; i++) terms.push(words.slice(i, i + n).join(' '));
  }
  return terms;
}
