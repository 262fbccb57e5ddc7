import { DataError, expectLength } from '@tsrl/core';
import { expectFiniteValues } from '../finite-values.js';

/** The evaluations of one run. Runs are compared by what they consumed, not by their updates. */
export interface LearningCurve {
  /** Training samples consumed before each evaluation, increasing. */
  readonly samples: ArrayLike<number>;
  /** What each evaluation found, higher is better. */
  readonly scores: ArrayLike<number>;
}

/** Throws unless there is an evaluation, all numbers are finite, and samples increase. */
export function expectCurve(who: string, name: string, { samples, scores }: LearningCurve): void {
  expectFiniteValues(who, `${name}.samples`, samples);
  expectLength(who, `${name}.scores`, scores, samples.length);
  expectFiniteValues(who, `${name}.scores`, scores);
  for (let i = 1; i < samples.length; i++) {
    if ((samples[i] as number) > (samples[i - 1] as number)) continue;
    throw new DataError(who, `${name}.samples must increase; got ${samples[i]} after ${samples[i - 1]}`);
  }
}
