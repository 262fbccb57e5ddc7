import { DataError, show } from '@tsrl/core';

/** One record of a file and the line (from 1) it starts on. */
export interface Row {
  readonly line: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Throws a DataError that names the columns that are there, unless all the required ones are. */
export function expectColumns(
  file: string,
  line: number,
  columns: readonly string[],
  required: readonly string[],
): void {
  const missing = required.find((name) => !columns.includes(name));
  if (missing === undefined) return;
  const found = columns.length === 0 ? 'none' : columns.map(show).join(', ');
  throw new DataError(file, `expected a column ${show(missing)}; the columns here are: ${found}`, { line });
}
