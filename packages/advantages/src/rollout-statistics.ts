import { concat, mean } from './rollout-log-ratios.js';

/** How a number per token, or per sequence, is spread. Without a token means are 0 and extremes `ideal`. */
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
  bounds: RolloutBounds,
): RolloutStatistics {
  const tokens = concat(rows);
  const sequences = Float64Array.from(rows, mean);
  const { max, min, above, below } = spreadOf(level === 'token' ? tokens : sequences, bounds);
  const bySequence = spreadOf(sequences, bounds);
  const n = sequences.length;
  return {
    mean: mean(tokens),
    max,
    min,
    above,
    below,
    sequenceMean: mean(sequences),
    sequenceStd: n > 1 ? deviation(sequences) * Math.sqrt(n / (n - 1)) : 0,
    sequenceMax: bySequence.max,
    sequenceMin: bySequence.min,
    sequenceMaxDeviation: Math.max(Math.abs(bySequence.max - bounds.ideal), Math.abs(bySequence.min - bounds.ideal)),
    sequenceAbove: bySequence.above,
    sequenceBelow: bySequence.below,
  };
}

function spreadOf(
  values: Float64Array,
  { lower, upper, ideal }: RolloutBounds,
): Pick<RolloutStatistics, 'max' | 'min' | 'above' | 'below'> {
  if (values.length === 0) return { max: ideal, min: ideal, above: 0, below: 0 };
  let max = Number.NEGATIVE_INFINITY;
  let min = Number.POSITIVE_INFINITY;
  let above = 0;
  let below = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    max = Math.max(max, value);
    min = Math.min(min, value);
    if (value > upper) above += 1;
    if (value < lower) below += 1;
  }
  return { max, min, above: above / values.length, below: below / values.length };
}

/** Population deviation; 0 of none. */
export function deviation(values: Float64Array): number {
  const center = mean(values);
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += ((values[i] as number) - center) ** 2;
  return Math.sqrt(squares / Math.max(1, values.length));
}
