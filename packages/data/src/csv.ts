import { DataError, show } from '@tsrl/core';
// The build for browsers is the one that runs everywhere: the other needs the Buffer of Node.
import { CsvError, parse } from 'csv-parse/browser/esm/sync';
import { expectColumns, type Row } from './row.js';

/** What went wrong with the quotes, in words that say what to do. */
const quoteProblems: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'a quoted field of this row is never closed',
  INVALID_OPENING_QUOTE: 'a quote stands inside an unquoted field: quote the whole field and double the quotes in it',
  CSV_INVALID_CLOSING_QUOTE: 'a quoted field goes on after its closing quote: double the quotes inside a quoted field',
};

/** The rows of a table (RFC 4180, with any delimiter) under the names of its header row. */
export function csvRows(
  content: string,
  { file, delimiter, required }: { file: string; delimiter: string; required: readonly string[] },
): Row[] {
  const [header, ...rows] = records(content, file, delimiter);
  if (header === undefined) return [];
  const columns = header.values;
  const repeated = columns.find((name, i) => columns.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new DataError(file, `the header names the column ${show(repeated)} twice`, { line: header.line });
  }
  expectColumns(file, header.line, columns, required);
  return rows.map(({ line, values }) => {
    if (values.length !== columns.length) {
      const expected = `${columns.length} field${columns.length === 1 ? '' : 's'} like the header`;
      throw new DataError(file, `expected ${expected}; got ${values.length}`, { line });
    }
    return { line, fields: Object.fromEntries(columns.map((name, i) => [name, values[i]])) };
  });
}

interface CsvRecord {
  readonly line: number;
  readonly values: readonly string[];
}

function records(content: string, file: string, delimiter: string): CsvRecord[] {
  const found: CsvRecord[] = [];
  let next = 1; // the line after the last record
  let blank = 0; // blank lines so far
  try {
    parse(content, {
      delimiter,
      record_delimiter: ['\r\n', '\n'],
      relax_column_count: true,
      skip_empty_lines: true,
      // The parser counts a quoted CRLF as two lines and tells where a record ends, so lines are counted here.
      on_record: (values: string[], { empty_lines }) => {
        const line = next + empty_lines - blank;
        blank = empty_lines;
        next = line + 1 + values.reduce((sum, value) => sum + value.split('\n').length - 1, 0);
        found.push({ line, values });
        return null;
      },
    });
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    const line = next + (cause['empty_lines'] as number) - blank;
    throw new DataError(file, quoteProblems[cause.code] ?? cause.message, { line, cause });
  }
  return found;
}
