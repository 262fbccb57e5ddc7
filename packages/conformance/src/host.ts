import type { Grid } from '@tsrl/core';
import type { Computed, Values } from './outcome.js';

/** Results of host functions, which compute in float64 unless part of it ran on the device. */
export function onHost(
  outputs: Readonly<Record<string, Values>>,
  { precision = 'float64' }: { readonly precision?: Computed['precision'] } = {},
): Computed {
  return { kind: 'computed', precision, outputs, gradients: {} };
}

/** A grid as an output; `mask` where the source does not zero what does not count. */
export function values({ rows, columns, data }: Grid, mask?: Grid): Values {
  return mask ? { shape: [rows, columns], data, counts: mask.data } : { shape: [rows, columns], data };
}
