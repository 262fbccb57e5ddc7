import type { Grid } from '@tsrl/core';

/** What every estimator returns: advantages per response ([B]) or per token ([B, T]), and numbers worth logging. */
export interface AdvantageResult<A extends Float64Array | Grid = Float64Array | Grid> {
  readonly advantages: A;
  readonly metrics: Readonly<Record<string, number>>;
}
