import { DivergenceError } from '@tsrl/core';
import type { BinaryPolicy } from '@tsrl/tensor';
import type { Examples } from './examples.js';
import { type Columns, type Method, type Observation, requestOf } from './method.js';
import type { RunState } from './run-state.js';
import type { Scored, ScoreExamples } from './score-examples.js';

/** What the policy says of the examples that a refresh shows, at the place of each; 0 for the others. */
export async function observe<C extends Columns>(
  scoring: ScoreExamples,
  policy: BinaryPolicy,
  method: Method<C>,
  { sequences }: Examples,
  positions: Int32Array,
): Promise<Scored> {
  const shown = Int32Array.from(new Set(positions)).sort();
  const chosen = Array.from(shown, (i) => sequences[i] as Int32Array);
  const { logits, values, logMass } = await scoring(policy, chosen, requestOf(method));
  const spread = (column: Float64Array): Float64Array => {
    const all = new Float64Array(sequences.length);
    shown.forEach((at, i) => {
      all[at] = column[i] as number;
    });
    return all;
  };
  return {
    logits: spread(logits),
    ...(values && { values: spread(values) }),
    ...(logMass && { logMass: spread(logMass) }),
  };
}

/** What the method asked for, at these positions. */
export function observation<C extends Columns>(
  { observes }: Method<C>,
  { observed, reference }: RunState,
  positions: Int32Array,
): Omit<Observation, 'labels' | 'rng'> {
  const { logits, values, logMass } = observed ?? {};
  return {
    ...(logits && observes.includes('logits') && { logits: pick(logits, positions) }),
    ...(values && { values: pick(values, positions) }),
    ...(logMass && { logMass: pick(logMass, positions) }),
    ...(reference && { refLogits: pick(reference.logits, positions) }),
    ...(reference?.logMass && { refLogMass: pick(reference.logMass, positions) }),
  };
}

/** An update can break weights whose loss was a number still. */
export function expectLogits(method: string, step: number, logits: Float64Array): void {
  const broken = logits.find((z) => !Number.isFinite(z));
  if (broken !== undefined) {
    throw new DivergenceError(method, `the logits must be numbers; got ${broken} after step ${step}`);
  }
}

export const pick = <T extends Float64Array | Int32Array>(values: T, positions: Int32Array): T => {
  const Picked = values.constructor as new (length: number) => T;
  const picked = new Picked(positions.length);
  positions.forEach((at, i) => {
    picked[i] = values[at] as number;
  });
  return picked;
};
