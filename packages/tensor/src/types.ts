import type * as tf from '@tensorflow/tfjs-core';

/** float32 [B, T]: a number per response and token. */
export type PerToken = tf.Tensor2D;

/** float32 [B]: a number per response. */
export type PerSequence = tf.Tensor1D;

/** What a loss returns: the scalar to minimise, and scalars to look at. All stay on the device. */
export interface LossResult {
  readonly loss: tf.Scalar;
  readonly metrics: Readonly<Record<string, tf.Scalar>>;
}

/**
 * Where a loss stands in training. `tokens` and `sequences` are the denominators of the whole batch when the inputs
 * are only a part of it (gradient accumulation, data parallelism): with them, the losses of the parts add up to the
 * loss of the whole.
 */
export interface StepContext {
  readonly step?: number;
  readonly tokens?: number;
  readonly sequences?: number;
}

/** A loss: named tensors in, a scalar to minimise out. */
export type Loss<in Inputs> = (inputs: Inputs, context?: StepContext) => LossResult;

/** How the losses of tokens become one number: `perToken` and `mask` are [B, T]. */
export type Aggregate = (perToken: PerToken, mask: PerToken, context: StepContext) => tf.Scalar;

/** Token ids, padded on the right. */
export interface TokenBatch {
  /** int32 [B, S]; what stands behind the last token of a row does not matter. */
  readonly ids: tf.Tensor2D;
  /** int32 [B]: tokens in each row, at least 1. */
  readonly lengths: tf.Tensor1D;
}

/** What a classifying policy says of a batch of texts. */
export interface BinaryScores {
  /** [B]: z, the log-odds of class 1, so that π(1 | x) = sigmoid(z). */
  readonly logits: PerSequence;
  /** [B]: V(x), when it was asked for. */
  readonly values?: PerSequence;
  /**
   * [B], at most 0, when it was asked for: the log of the probability that the answer is one of the two classes at all.
   * Then π(1 | x) = exp(logMass) sigmoid(z), π(0 | x) = exp(logMass) sigmoid(−z), and the rest, 1 − exp(logMass), is the
   * probability of an invalid answer (core.md, 2.6 b). A policy without it always gives a valid one.
   */
  readonly logMass?: PerSequence;
}

/** What is asked of a policy beside its logits. */
export interface ScoreRequest {
  readonly values?: boolean;
  readonly logMass?: boolean;
}

/** A policy that chooses between class 0 and class 1 (core.md, 2.6). */
export interface BinaryPolicy {
  /** What an optimizer may change; named, so that a checkpoint can hold it. */
  readonly variables: readonly tf.Variable[];
  /** Differentiable in `variables`. Pure: the caller owns the scores, as with any operation. */
  score(tokens: TokenBatch, request?: ScoreRequest): BinaryScores;
}
