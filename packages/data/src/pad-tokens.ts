import { OptionError, ShapeError } from '@tsrl/core';

/** Token sequences of a batch, padded on the right, row-major, on the host. */
export interface TokenGrid {
  /** rows × columns token ids. */
  readonly ids: Int32Array;
  /** Tokens in each row, at least 1. */
  readonly lengths: Int32Array;
  readonly rows: number;
  readonly columns: number;
}

/** How sequences become a grid. */
export interface PadOptions {
  /** Tokens that are kept of a sequence: at least 1. */
  readonly maxLength: number;
  /** What stands behind the last token; 0 by default. */
  readonly padId?: number;
  /** Which end of a too long sequence is cut off: `end` (default) keeps the first `maxLength` tokens. */
  readonly truncate?: 'end' | 'start';
  /**
   * Columns are rounded up to a multiple of this, but not beyond `maxLength`; 1 by default, which computes least.
   * A backend that compiles a program or keeps buffers per shape (webgl, webgpu) meets fewer shapes with 8 or 16.
   */
  readonly multipleOf?: number;
}

/**
 * Pads token sequences on the right to the longest of them, after truncation.
 *
 * @throws OptionError for options out of range, ShapeError when there is no sequence or an empty one
 */
export function padTokens(
  sequences: readonly ArrayLike<number>[],
  { maxLength, padId = 0, truncate = 'end', multipleOf = 1 }: PadOptions,
): TokenGrid {
  const who = 'padTokens';
  expectCount(who, 'maxLength', maxLength);
  expectCount(who, 'multipleOf', multipleOf);
  if (!Number.isInteger(padId)) throw new OptionError(who, 'padId', 'an integer', padId);
  if (truncate !== 'end' && truncate !== 'start') throw new OptionError(who, 'truncate', "'end' or 'start'", truncate);
  if (sequences.length === 0) throw new ShapeError(who, 'sequences', 'at least one', 'none');

  const lengths = Int32Array.from(sequences, (sequence, i) => {
    if (sequence.length === 0) throw new ShapeError(who, `sequence ${i}`, 'of at least one token', 'none');
    return Math.min(sequence.length, maxLength);
  });
  const longest = lengths.reduce((a, b) => Math.max(a, b));
  const columns = Math.min(maxLength, Math.ceil(longest / multipleOf) * multipleOf);

  const ids = new Int32Array(sequences.length * columns).fill(padId);
  sequences.forEach((sequence, row) => {
    const length = lengths[row] as number;
    const from = truncate === 'end' ? 0 : sequence.length - length;
    for (let i = 0; i < length; i++) ids[row * columns + i] = sequence[from + i] as number;
  });
  return { ids, lengths, rows: sequences.length, columns };
}

/** Throws an OptionError unless `value` is a whole number of at least 1. */
export function expectCount(who: string, option: string, value: number): void {
  if (!(Number.isInteger(value) && value >= 1)) {
    throw new OptionError(who, option, 'an integer of at least 1', value);
  }
}
