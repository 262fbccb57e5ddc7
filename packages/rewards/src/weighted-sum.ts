import { bySample, type Combine, expectWeights, weightsOf } from './composed.js';

/** Options of the combinations with weights. */
export interface WeightOptions {
  /** By component. Default 1 for all. */
  readonly weights?: Readonly<Record<string, number>>;
}

/**
 * R = Σ w_m r_m over the components that apply; `null` where none does.
 *
 * Differences: none to TRL, which writes NaN for null.
 *
 * @throws OptionError for a weight that is not finite and, when it combines, for one of no component
 */
export function weightedSum({ weights = {} }: WeightOptions = {}): Combine {
  expectWeights('weightedSum', weights);
  return (scores) => {
    const of = weightsOf('weightedSum', Object.keys(scores), weights);
    return bySample(scores, (row) => {
      if (row.every((score) => score === null)) return null;
      return row.reduce<number>((sum, score, m) => (score === null ? sum : sum + (of[m] as number) * score), 0);
    });
  };
}
