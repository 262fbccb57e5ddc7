import type { Rng } from '@tsrl/core';
import type { LossResult, StepContext } from '@tsrl/tensor';

/** Size of an example: `sequences` responses of up to `tokens` tokens; losses of one number per example ignore those. */
export interface ExampleShape {
  readonly sequences: number;
  readonly tokens: number;
}

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
  /** Random inputs of this size: float32 tensors with B rows, owned by the caller. */
  example(shape: ExampleShape, rng: Rng): Inputs;
  /** The loss with its defaults, on inputs of `example`. */
  evaluate(inputs: Inputs, context?: StepContext): LossResult;
}
