import { DataError, show } from '@tsrl/core';
import { csvRows } from './csv.js';
import { expectColumns, type Row } from './row.js';

/** What a file of texts may be: one JSON object a line, or rows under a header. */
export type TextFormat = 'jsonl' | 'csv' | 'tsv';

/** The records of a file; blank lines and a byte order mark are skipped. Every record has the `required` columns. */
export function rowsOf(content: string, format: TextFormat, file: string, required: readonly string[]): Row[] {
  const text = content.startsWith('\uFEFF') ? content.slice(1) : content;
  if (text.trim() === '') throw new DataError(file, 'the file is empty');
  const rows =
    format === 'jsonl'
      ? jsonlRows(text, file, required)
      : csvRows(text, { file, delimiter: format === 'csv' ? ',' : '\t', required });
  if (rows.length === 0) throw new DataError(file, 'the file has a header and no rows');
  return rows;
}

function jsonlRows(content: string, file: string, required: readonly string[]): Row[] {
  const rows: Row[] = [];
  content.split('\n').forEach((text, i) => {
    if (text.trim() === '') return;
    const line = i + 1;
    let fields: unknown;
    try {
      fields = JSON.parse(text);
    } catch (cause) {
      throw new DataError(file, `expected a JSON object; got ${show(text.trim())}, which is not JSON`, { line, cause });
    }
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
      throw new DataError(file, `expected a JSON object; got ${show(fields)}`, { line });
    }
    expectColumns(file, line, Object.keys(fields), required);
    rows.push({ line, fields: fields as Row['fields'] });
  });
  return rows;
}
