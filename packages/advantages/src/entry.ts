import type { Rng } from '@tsrl/core';
import type { AdvantageResult } from './result.js';

/** Size of an example: `prompts` × `perPrompt` responses of up to `tokens` tokens. */
export interface ExampleShape {
  readonly prompts: number;
  readonly perPrompt: number;
  readonly tokens: number;
}

/**
 * What an estimator, with the options of its entry, promises beyond what all keep (finite, of the right size, 0 where
 * masked, indifferent to padding, to inserted masked tokens and to the names of the groups, equivariant to a
 * permutation of the rows). What is shifted and scaled is the input `rewards` or, for several reward functions, each
 * entry of `components`.
 *
 * - `linear`: in all inputs but `mask` and `groups`
 * - `shift-invariant`: one constant added to every reward changes nothing
 * - `group-shift-invariant`: nor does one of its own for every group
 * - `scale-equivariant`: rewards times a > 0 give a times the advantages
 * - `scale-invariant`: they give the same advantages, where the rewards are large beside every epsilon
 * - `zero-mean`: over all responses or, of tokens, over the mask
 * - `zero-mean-per-group`: over the responses of every group
 */
export type EstimatorLaw =
  | 'linear'
  | 'shift-invariant'
  | 'group-shift-invariant'
  | 'scale-equivariant'
  | 'scale-invariant'
  | 'zero-mean'
  | 'zero-mean-per-group';

/** What the law suite, the benchmarks and the documentation know of an estimator. */
export interface EstimatorEntry<Inputs extends object = object> {
  readonly name: string;
  /** In one line, for the table of algorithms. */
  readonly formula: string;
  /** `arXiv:` or `doi:` and what follows it. */
  readonly citation: string;
  readonly laws: readonly EstimatorLaw[];
  /** Random inputs of this size. */
  example(shape: ExampleShape, rng: Rng): Inputs;
  /** The estimator with its defaults, on inputs of `example`. */
  estimate(inputs: Inputs): AdvantageResult;
}
