import { DataError, OptionError } from '@tsrl/core';
import { expectCurve, type LearningCurve } from './learning-curve.js';

/** When runs reached a score, as plain JSON. */
export type SamplesToThreshold = {
  /** Samples before the first evaluation of at least the threshold, per run; `null` for a run that never got there. */
  readonly samples: readonly (number | null)[];
  /** How many never got there: report it, for their times are unknown, not large. */
  readonly censored: number;
  /** Median over the runs, the censored counted as later than all others; `null` where it falls on a censored one. */
  readonly median: number | null;
};

/**
 * How many samples each run consumed before it was first evaluated at or above a threshold.
 *
 * @throws OptionError when the threshold is not finite, ShapeError when the lengths of a curve differ, DataError for no
 * curve, no evaluation, a number that is not finite, or samples that do not increase
 */
export function samplesToThreshold(curves: readonly LearningCurve[], threshold: number): SamplesToThreshold {
  const who = 'samplesToThreshold';
  if (!Number.isFinite(threshold)) throw new OptionError(who, 'threshold', 'finite', threshold);
  if (curves.length === 0) throw new DataError(who, 'there is no curve');
  const samples = curves.map((curve, run) => {
    expectCurve(who, `curves[${run}]`, curve);
    const first = Array.from(curve.scores).findIndex((score) => score >= threshold);
    return first === -1 ? null : (curve.samples[first] as number);
  });
  const reached = samples.filter((count) => count !== null).sort((a, b) => a - b);
  const [low, high] = [reached[(samples.length - 1) >> 1], reached[samples.length >> 1]];
  return {
    samples,
    censored: samples.length - reached.length,
    median: low === undefined || high === undefined ? null : (low + high) / 2,
  };
}
