import type { Rng } from '@tsrl/core';
import type { AdvantageResult } from './result.js';

/** Size of an example: `prompts` × `perPrompt` responses of up to `tokens` tokens. */
export interface ExampleShape {
  readonly prompts: number;
  readonly perPrompt: number;
  readonly tokens: number;
}

/**
 * What an estimator promises beyond what all keep (finite, of the right size, 0 where masked, indifferent to padding
 * and to inserted masked tokens, equivariant to a permutation of the rows): `linear` in all inputs but the mask.
 */
export type EstimatorLaw = 'linear';

/** What the law suite, the benchmarks and the documentation know of an estimator. */
export interface EstimatorEntry<Inputs extends object = object> {
  readonly name: string;
  /** In one line, for the table of algorithms. */
  readonly formula: string;
  readonly citation: string;
  readonly laws: readonly EstimatorLaw[];
  /** Random inputs of this size. */
  example(shape: ExampleShape, rng: Rng): Inputs;
  /** The estimator with its defaults, on inputs of `example`. */
  estimate(inputs: Inputs): AdvantageResult;
}
