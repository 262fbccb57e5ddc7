import type * as tf from '@tensorflow/tfjs-core';

/** Gradients by variable name; a variable that is absent (or null, as tfjs may write it) is left alone. */
export type Grads = Readonly<Record<string, tf.Tensor | null>>;

/** What to add to variables, by variable name. */
export type Updates = Readonly<Record<string, tf.Tensor>>;

/**
 * Everything that an optimizer remembers. `tensors` belong beside the weights in a checkpoint, `step` in its JSON;
 * both restored, training goes on bit for bit as if it had never stopped.
 */
export interface OptimizerState {
  /** How many updates were made: the next one is number `step`, counted from 0. */
  readonly step: number;
  /** By `transform/quantity/variable`, for example `adamW/m/wte`: float32, of the shape of the variable. */
  readonly tensors: Readonly<Record<string, tf.Tensor>>;
}

/** What one update gives. */
export interface TransformResult {
  /** What to add to the variables. */
  readonly updates: Updates;
  /** The state that takes the place of the one that was passed in. */
  readonly state: OptimizerState;
  /** Scalars to look at, still on the device. */
  readonly metrics: Readonly<Record<string, tf.Scalar>>;
}

/**
 * A function from gradients to updates, with explicit state, as in optax.
 *
 * Who owns what: the caller owns everything that `init` and `update` return, and keeps the gradients and variables
 * that it passes in. The state alone is **moved**: `update` disposes of the tensors of the state that it replaces, so
 * that one set of moments exists at a time and not two, and the old state must not be used again. Transforms check
 * their arguments before they dispose of anything.
 */
export interface GradientTransform {
  /** The state before the first update. */
  init(variables: readonly tf.Variable[]): OptimizerState;
  /**
   * Gradients of variables that are not in `variables` are ignored. A variable without a gradient gets no update, not
   * even weight decay, and keeps its moments; `step` counts all the same. PyTorch counts steps per parameter instead,
   * optax knows no missing gradient.
   *
   * A transform replaces the tensors of its own name in `state.tensors` and passes on those of others.
   */
  update(grads: Grads, state: OptimizerState, variables: readonly tf.Variable[]): TransformResult;
}
