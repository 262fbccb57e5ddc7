import { OptionError } from '@tsrl/core';
import { expectProbabilities } from './binary-data.js';
import { expectThreshold, type ThresholdOptions } from './confusion.js';

/** Options of the calibration measures. */
export interface ReliabilityOptions extends ThresholdOptions {
  /** How many bins, an integer of at least 1. Default 15. */
  readonly bins?: number;
  /**
   * What is compared: `top-label` (default) the probability of the predicted class with how often it is right;
   * `class-1` the probability of class 1 with how often it occurs.
   */
  readonly kind?: 'top-label' | 'class-1';
  /**
   * `equal-width` (default): (0, 1/M], (1/M, 2/M], ..., the first with 0. `equal-mass`: about as many examples in
   * each; equal confidences stay together, and empty bins are left out.
   */
  readonly spacing?: 'equal-width' | 'equal-mass';
}

/** One bin of a reliability diagram. */
export interface ReliabilityBin {
  /** Edges for equal widths, the smallest and the largest confidence inside for equal masses. */
  readonly lower: number;
  readonly upper: number;
  readonly count: number;
  /** Mean confidence; `null` without an example. */
  readonly confidence: number | null;
  /** How often it was right; `null` without an example. */
  readonly frequency: number | null;
}

/**
 * A reliability diagram: mean confidence against observed frequency, per bin of confidence.
 *
 * @param probabilities of class 1
 * @throws OptionError for an option out of range, ShapeError when the lengths differ, DataError for no example, a
 * label other than 0 and 1, or a probability outside [0, 1]
 */
export function reliability(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  options: ReliabilityOptions = {},
): readonly ReliabilityBin[] {
  return reliabilityFor('reliability', probabilities, labels, options);
}

/** The same in the name of another function. */
export function reliabilityFor(
  who: string,
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  { bins = 15, kind = 'top-label', spacing = 'equal-width', threshold = 0.5 }: ReliabilityOptions,
): readonly ReliabilityBin[] {
  if (!(Number.isInteger(bins) && bins >= 1)) throw new OptionError(who, 'bins', 'an integer of at least 1', bins);
  if (kind !== 'top-label' && kind !== 'class-1') throw new OptionError(who, 'kind', "'top-label' or 'class-1'", kind);
  if (spacing !== 'equal-width' && spacing !== 'equal-mass') {
    throw new OptionError(who, 'spacing', "'equal-width' or 'equal-mass'", spacing);
  }
  expectThreshold(who, threshold);
  expectProbabilities(who, probabilities, labels);

  const outcomes = Array.from(probabilities, (p, i): Outcome => {
    const label = labels[i] as number;
    if (kind === 'class-1') return { confidence: p, hit: label };
    return p >= threshold ? { confidence: p, hit: label } : { confidence: 1 - p, hit: 1 - label };
  });
  return spacing === 'equal-width' ? equalWidth(outcomes, bins) : equalMass(outcomes, bins);
}

interface Outcome {
  readonly confidence: number;
  readonly hit: number;
}

function equalWidth(outcomes: readonly Outcome[], bins: number): ReliabilityBin[] {
  const members: Outcome[][] = Array.from({ length: bins }, () => []);
  for (const outcome of outcomes) {
    const { confidence } = outcome;
    let bin = Math.max(0, Math.ceil(confidence * bins) - 1);
    // The product may round across an edge; the edges themselves decide.
    if (bin > 0 && confidence <= bin / bins) bin -= 1;
    else if (confidence > (bin + 1) / bins) bin += 1;
    members[bin]?.push(outcome);
  }
  return members.map((inside, bin) => ({ lower: bin / bins, upper: (bin + 1) / bins, ...summary(inside) }));
}

function equalMass(outcomes: readonly Outcome[], bins: number): ReliabilityBin[] {
  const sorted = outcomes.toSorted((a, b) => a.confidence - b.confidence);
  const members = new Map<number, Outcome[]>();
  for (let start = 0; start < sorted.length; ) {
    const value = sorted[start]?.confidence;
    let end = start;
    while (end < sorted.length && sorted[end]?.confidence === value) end += 1;
    const bin = Math.floor((bins * (start + end)) / (2 * sorted.length)); // by the middle rank of the ties
    const inside = members.get(bin) ?? [];
    for (let i = start; i < end; i++) inside.push(sorted[i] as Outcome);
    members.set(bin, inside);
    start = end;
  }
  return [...members.values()].map((inside) => ({
    lower: inside[0]?.confidence ?? 0,
    upper: inside.at(-1)?.confidence ?? 0,
    ...summary(inside),
  }));
}

function summary(inside: readonly Outcome[]): Pick<ReliabilityBin, 'count' | 'confidence' | 'frequency'> {
  const count = inside.length;
  if (count === 0) return { count, confidence: null, frequency: null };
  let confidence = 0;
  let hits = 0;
  for (const outcome of inside) {
    confidence += outcome.confidence;
    hits += outcome.hit;
  }
  return { count, confidence: confidence / count, frequency: hits / count };
}
