import type { Grid } from '@tsrl/core';

/** n of each row: how many of its tokens count. */
export function tokensPerRow(mask: Grid): Float64Array {
  const tokens = new Float64Array(mask.rows);
  mask.data.forEach((m, i) => {
    const row = Math.floor(i / mask.columns);
    tokens[row] = (tokens[row] as number) + m;
  });
  return tokens;
}

/** How many rows have no token that counts. */
export const emptyRowsOf = (mask: Grid): number => tokensPerRow(mask).filter((n) => n === 0).length;
