import { OptionError } from '@tsrl/core';

/**
 * Ids of groups that stand in consecutive rows, as trainers that repeat each prompt `size` times lay them out:
 * 0, …, 0, 1, …, 1, 2, …
 *
 * @param rows B
 * @param size G: rows of each group
 * @returns [B]
 * @throws OptionError unless size is a whole number, at least 1, that divides a whole number of rows
 */
export function consecutiveGroups(rows: number, size: number): Int32Array {
  if (!(Number.isInteger(rows) && rows >= 0)) {
    throw new OptionError('consecutiveGroups', 'rows', 'a whole number, at least 0', rows);
  }
  if (!(Number.isInteger(size) && size >= 1 && rows % size === 0)) {
    throw new OptionError('consecutiveGroups', 'size', `a whole number of at least 1 that divides ${rows}`, size);
  }
  return Int32Array.from({ length: rows }, (_, row) => Math.floor(row / size));
}
