import { mean } from './rollout-log-ratios.js';

/** How a number per token, or per sequence, is spread; 0 where there is none. */
export interface RolloutStatistics {
  /** Over all tokens. */
  readonly mean: number;
  /** Extremes, and shares above and below the bounds: of tokens, or of sequences where those have one number each. */
  readonly max: number;
  readonly min: number;
  readonly above: number;
  readonly below: number;
  /** Of the mean of each sequence; `sequenceStd` divides by N − 1. */
  readonly sequenceMean: number;
  readonly sequenceStd: number;
  readonly sequenceMax: number;
  readonly sequenceMin: number;
  /** The largest distance of a sequence from what it would be if both policies agreed. */
  readonly sequenceMaxDeviation: number;
  readonly sequenceAbove: number;
  readonly sequenceBelow: number;
}

/** Bounds, and what the number is where both policies agree. */
export interface RolloutBounds {
  readonly lower: number;
  readonly upper: number;
  readonly ideal: number;
}

/** `rows` holds the number of each valid token of each row that has one. */
export function rolloutStatistics(
  rows: readonly Float64Array[],
  level: 'token' | 'sequence',
  { lower, upper, ideal }: RolloutBounds,
): RolloutStatistics {
  const tokens = Float64Array.from(rows.flatMap((row) => [...row]));
  const sequences = Float64Array.from(rows, mean);
  const units = level === 'token' ? tokens : sequences;
  const sequenceMean = mean(sequences);
  const squares = sequences.reduce((total, x) => total + (x - sequenceMean) ** 2, 0);
  return {
    mean: mean(tokens),
    ...extremes(units),
    above: share(units, (x) => x > upper),
    below: share(units, (x) => x < lower),
    sequenceMean,
    sequenceStd: Math.sqrt(squares / Math.max(1, sequences.length - 1)),
    sequenceMax: extremes(sequences).max,
    sequenceMin: extremes(sequences).min,
    sequenceMaxDeviation: extremes(sequences.map((x) => Math.abs(x - ideal))).max,
    sequenceAbove: share(sequences, (x) => x > upper),
    sequenceBelow: share(sequences, (x) => x < lower),
  };
}

function extremes(values: Float64Array): { readonly max: number; readonly min: number } {
  if (values.length === 0) return { max: 0, min: 0 };
  return { max: values.reduce((a, b) => Math.max(a, b)), min: values.reduce((a, b) => Math.min(a, b)) };
}

const share = (values: Float64Array, holds: (value: number) => boolean): number =>
  values.filter(holds).length / Math.max(1, values.length);

/** Population deviation. */
export function deviation(values: Float64Array): number {
  const center = mean(values);
  return Math.sqrt(mean(values.map((x) => (x - center) ** 2)));
}
