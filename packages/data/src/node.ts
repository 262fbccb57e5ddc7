import { readFile } from 'node:fs/promises';
import { DataError } from '@tsrl/core';
import type { RecordedText } from './labelled-text.js';
import { type LabelledColumns, parseLabelledTexts, parseTexts, type TextColumn } from './parse.js';
import type { TextFormat } from './rows.js';

const formats: ReadonlyMap<string | undefined, TextFormat> = new Map([
  ['jsonl', 'jsonl'],
  ['ndjson', 'jsonl'],
  ['csv', 'csv'],
  ['tsv', 'tsv'],
]);

/**
 * Labelled texts from a file of UTF-8, each with the line that it begins on: `.jsonl` and `.ndjson` as `parseJsonl`, `.csv` and `.tsv` as `parseCsv`.
 *
 * @throws DataError for a file that is missing, unreadable, a directory, not UTF-8 or of another extension, and for all
 *   that the parsers object to
 */
export async function loadLabelledTexts(path: string, options: LabelledColumns = {}): Promise<RecordedText[]> {
  const format = formatOf(path);
  return parseLabelledTexts(await readText(path), { ...options, file: path, format });
}

/** Texts to be classified, from the same kinds of files: only the column of the text is needed and read. */
export async function loadTexts(path: string, options: TextColumn = {}): Promise<string[]> {
  const format = formatOf(path);
  return parseTexts(await readText(path), { ...options, file: path, format });
}

function formatOf(path: string): TextFormat {
  const format = formats.get(/\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase());
  if (format === undefined) throw new DataError(path, 'expected a file that ends in .jsonl, .ndjson, .csv or .tsv');
  return format;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'expected a file; this is a directory',
  EACCES: 'the file may not be read (permission denied)',
};

async function readText(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    throw new DataError(path, reasons[code] ?? `the file cannot be read (${message})`, { cause });
  }
  try {
    return decode(bytes);
  } catch (cause) {
    throw new DataError(path, 'expected UTF-8; this line holds other bytes', { line: badLine(bytes), cause });
  }
}

const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes);

/** The first line that is not UTF-8: the byte of a newline is never part of a longer character. */
function badLine(bytes: Uint8Array): number {
  for (let start = 0, line = 1; ; line++) {
    const end = bytes.indexOf(10, start);
    if (end < 0) return line;
    try {
      decode(bytes.subarray(start, end));
    } catch {
      return line;
    }
    start = end + 1;
  }
}
