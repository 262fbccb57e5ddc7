import type { Rng } from '@tsrl/core';
import type { Aggregate, Loss, LossResult, StepContext } from '@tsrl/tensor';

/** Size of an example: `sequences` responses of up to `tokens` tokens; losses of one number per example ignore those. */
export interface ExampleShape {
  readonly sequences: number;
  readonly tokens: number;
}

/**
 * A law of the suite that a loss may be excused from:
 *
 * - `parts`: the parts of a batch add up to the whole. Not where a statistic of the batch enters the loss.
 * - `descent`: a small step against the gradient lowers the loss. Not where the gradient is, on purpose, not that of
 *   the value (a weight without gradient that depends on the policy, a straight-through estimate).
 */
export type ExcusableLaw = 'parts' | 'descent';

/** What the law suite, the benchmarks and the documentation know of a loss. */
export interface LossEntry<Inputs extends object = object> {
  readonly name: string;
  /** In one line, for the table of algorithms. */
  readonly formula: string;
  readonly citation: string;
  /** Whether the inputs are [B, T] with a mask, or [B]. */
  readonly per: 'token' | 'example';
  /** The inputs that gradients flow to. */
  readonly differentiable: readonly (keyof Inputs & string)[];
  /** The inputs that belong to the batch as a whole, not row by row to its examples: every part of it needs all of them. */
  readonly ofBatch?: readonly (keyof Inputs & string)[];
  /** Inputs beside `mask` and `labels` that stand for one of a few cases: no law makes other numbers of them. */
  readonly discrete?: readonly (keyof Inputs & string)[];
  /** The laws that do not hold, each with the reason in words. */
  readonly excused?: Readonly<Partial<Record<ExcusableLaw, string>>>;
  /** Random inputs of this size: tensors with B rows, owned by the caller. */
  example(shape: ExampleShape, rng: Rng): Inputs;
  /** The loss with its defaults, on inputs of `example`. */
  evaluate(inputs: Inputs, context?: StepContext): LossResult;
  /** The same inputs under other options, by a name for each: all of them are under the laws. */
  readonly variants?: Readonly<Record<string, Loss<Inputs>>>;
  /** The loss with another aggregation, where it takes one. */
  build?(aggregate: Aggregate): Loss<Inputs>;
}
