import { DataError, show } from '@tsrl/core';
import { type BinaryLabel, classCounts, type RecordedText } from './labelled-text.js';
import type { Row } from './row.js';
import { rowsOf, type TextFormat } from './rows.js';

/** Where texts stand in a file. */
export interface TextColumn {
  /** The column (JSON key) of the text; `text` by default. */
  readonly textColumn?: string;
}

/** Where texts and labels stand in a file. */
export interface LabelledColumns extends TextColumn {
  /** The column (JSON key) of the label; `label` by default. */
  readonly labelColumn?: string;
  /** Accept a file whose labels are all the same, as for a test of one class; false by default. */
  readonly allowSingleClass?: boolean;
}

/** The name that error messages give to the content. */
export interface SourceFile {
  readonly file: string;
}

/**
 * Labelled texts from JSON Lines, each with its line: one object a line, `{"text": "…", "label": 1}`; other keys are
 * ignored.
 *
 * A label is 0, 1, true, false, or one of these as a string in any case; a text is a string that holds more than white
 * space, and is kept as it stands. Blank lines, CRLF and a byte order mark are fine.
 *
 * @throws DataError with file and line: not JSON, not an object, a missing column, a text or label that is none, an
 *   empty file, or (without `allowSingleClass`) labels of one class only
 */
export function parseJsonl(content: string, options: SourceFile & LabelledColumns): RecordedText[] {
  return parseLabelledTexts(content, { ...options, format: 'jsonl' });
}

/**
 * Labelled texts from CSV with a header row (RFC 4180: quoted fields may hold delimiters, doubled quotes and newlines); a
 * record that goes on over several lines has the first of them.
 * Texts and labels as in `parseJsonl`, the same errors, and besides: a row whose number of fields is not that of the
 * header, quotes that do not match, a column named twice.
 */
export function parseCsv(
  content: string,
  { delimiter = ',', ...options }: SourceFile & LabelledColumns & { readonly delimiter?: ',' | '\t' },
): RecordedText[] {
  return parseLabelledTexts(content, { ...options, format: delimiter === '\t' ? 'tsv' : 'csv' });
}

/** `parseJsonl` and `parseCsv` in one, by format. */
export function parseLabelledTexts(
  content: string,
  {
    file,
    format,
    textColumn = 'text',
    labelColumn = 'label',
    allowSingleClass = false,
  }: SourceFile & LabelledColumns & { readonly format: TextFormat },
): RecordedText[] {
  const examples = rowsOf(content, format, file, [textColumn, labelColumn]).map((row) => ({
    text: textOf(row, textColumn, file),
    label: labelOf(row, labelColumn, file),
    line: row.line,
  }));
  const [zeros, ones] = classCounts(examples);
  if (!allowSingleClass && (zeros === 0 || ones === 0)) {
    throw new DataError(file, `expected labels of both classes; all ${examples.length} are ${zeros === 0 ? 1 : 0}`);
  }
  return examples;
}

/** Texts to be classified: like `parseLabelledTexts`, but only the column of the text is needed and read. */
export function parseTexts(
  content: string,
  { file, format, textColumn = 'text' }: SourceFile & TextColumn & { readonly format: TextFormat },
): string[] {
  return rowsOf(content, format, file, [textColumn]).map((row) => textOf(row, textColumn, file));
}

function textOf({ line, fields }: Row, column: string, file: string): string {
  const text = fields[column];
  if (typeof text !== 'string') {
    throw new DataError(file, `${show(column)} must be a string; got ${show(text)}`, { line });
  }
  if (text.trim() === '') throw new DataError(file, `${show(column)} must hold text; got ${show(text)}`, { line });
  return text;
}

const labels: ReadonlyMap<unknown, BinaryLabel> = new Map<unknown, BinaryLabel>([
  [0, 0],
  [1, 1],
  [false, 0],
  [true, 1],
  ['0', 0],
  ['1', 1],
  ['false', 0],
  ['true', 1],
]);

function labelOf({ line, fields }: Row, column: string, file: string): BinaryLabel {
  const value = fields[column];
  const label = labels.get(typeof value === 'string' ? value.trim().toLowerCase() : value);
  if (label === undefined) {
    throw new DataError(file, `${show(column)} must be 0, 1, true or false; got ${show(value)}`, { line });
  }
  return label;
}
