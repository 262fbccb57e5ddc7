import type { Grid } from '@tsrl/core';

/** The score of a response: the sum over all its tokens, masked ones too. */
export const rowSums = ({ rows, columns, data }: Grid): Float64Array =>
  Float64Array.from({ length: rows }, (_, row) =>
    data.subarray(row * columns, (row + 1) * columns).reduce((sum, x) => sum + x, 0),
  );
