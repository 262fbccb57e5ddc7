import { expectSameGrid, type Grid } from '@tsrl/core';
import { validTokens } from './bootstrapped.js';
import { expectFiniteWhere, expectMask } from './masked-input.js';

/** Two policies' views of the same tokens; nothing is read where the mask is 0. */
export interface RolloutInputs {
  /** log π of the tokens under the policy that is trained, before its update (π_old), [B, T]. */
  readonly logProbs: Grid;
  /** log μ of the tokens as the engine that sampled them tells, [B, T]. */
  readonly rolloutLogProbs: Grid;
  /** 1 where a token counts, [B, T]; holes allowed. */
  readonly mask: Grid;
}

/** One response that has tokens. */
export interface LogRatioRow {
  /** Positions of its valid tokens in `mask.data`. */
  readonly at: Int32Array;
  /** log π − log μ of each of them. */
  readonly logRatios: Float64Array;
}

/** Beyond it a ratio is e²⁰ = 5e8 or its inverse: no sampler differs as much, and products must not overflow. */
export const LOG_RATIO_BOUND = 20;

export const bounded = (logRatio: number): number => Math.min(LOG_RATIO_BOUND, Math.max(-LOG_RATIO_BOUND, logRatio));

/** The log-ratios of every row that has a token. */
export function logRatioRows(who: string, { logProbs, rolloutLogProbs, mask }: RolloutInputs): readonly LogRatioRow[] {
  expectSameGrid(who, { logProbs, rolloutLogProbs, mask });
  expectMask(who, mask);
  expectFiniteWhere(who, 'logProbs', logProbs, mask);
  expectFiniteWhere(who, 'rolloutLogProbs', rolloutLogProbs, mask);
  const rows: LogRatioRow[] = [];
  for (let row = 0; row < mask.rows; row++) {
    const at = validTokens(mask, row);
    if (at.length === 0) continue;
    const logRatios = new Float64Array(at.length);
    for (let t = 0; t < at.length; t++) {
      const position = at[t] as number;
      logRatios[t] = (logProbs.data[position] as number) - (rolloutLogProbs.data[position] as number);
    }
    rows.push({ at, logRatios });
  }
  return rows;
}

export const sum = (values: ArrayLike<number>): number => {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i] as number;
  return total;
};

/** 0 of none. */
export const mean = (values: ArrayLike<number>): number => sum(values) / Math.max(1, values.length);

/** All numbers of all rows, one after the other. */
export function concat(rows: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(sum(rows.map((row) => row.length)));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}
