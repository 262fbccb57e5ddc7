import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { expectSameShape, expectShape } from './check.js';
import { maskedMean, maskedSum } from './masked.js';
import { stopGradient } from './stop-gradient.js';
import type { Aggregate, PerToken, StepContext } from './types.js';

/**
 * Mean over all tokens that count:
 *
 *   Σ_i S_i / N,  S_i = Σ_t m_it L_it,  N = Σ m, or `context.tokens`
 *
 * Long responses weigh more. DAPO (arXiv:2503.14476, equation 8); the default of verl. TRL calls it `dapo` with the
 * token count of the whole batch, and `bnpo` (which has nothing to do with Beta-normalized advantages) without.
 *
 * Here and below: masks are 0 and 1, or non-negative weights, and constants: no gradient goes into them; rows without a positive mask contribute nothing and
 * are not counted, a batch without any gives 0 with gradient 0; values at mask 0 never matter, not even NaN.
 */
export function tokenMean(perToken: PerToken, mask: PerToken, { tokens }: StepContext = {}): tf.Scalar {
  expectTokens('tokenMean', perToken, mask);
  if (tokens === undefined) return maskedMean(perToken, mask);
  return tf.tidy(() => ratio(maskedSum(perToken, mask), tokens));
}

/**
 * Mean over responses of their token means (seq-mean-token-mean):
 *
 *   (1 / B₊) Σ_i S_i / n_i,  n_i = Σ_t m_it,  B₊ = rows with n_i > 0, or `context.sequences`
 *
 * All responses weigh the same. GRPO (arXiv:2402.03300), GSPO; TRL's `grpo`.
 */
export function sequenceMean(perToken: PerToken, mask: PerToken, context: StepContext = {}): tf.Scalar {
  expectTokens('sequenceMean', perToken, mask);
  return tf.tidy(() => overSequences(maskedMean(perToken, mask, { axis: 1 }), mask, context));
}

/**
 * Mean over responses of their token sums (seq-mean-token-sum): (1 / B₊) Σ_i S_i. What the log-prob of a whole
 * response gives; BNPO's recipe (arXiv:2506.02864) uses it.
 */
export function sequenceSum(perToken: PerToken, mask: PerToken, context: StepContext = {}): tf.Scalar {
  expectTokens('sequenceSum', perToken, mask);
  return tf.tidy(() => overSequences(maskedSum(perToken, mask, { axis: 1 }), mask, context));
}

/** Options of `sequenceSumNorm`. */
export interface SequenceSumNormOptions {
  /** C: the longest response that sampling allows. It must not change from batch to batch. */
  readonly length: number;
}

/**
 * Mean over responses of their token sums, over a constant length (seq-mean-token-sum-norm): (1 / B₊) Σ_i S_i / C.
 * Dr. GRPO (arXiv:2503.20783); TRL's `dr_grpo` divides by all B rows. Older verl does not divide by the rows at all,
 * and falls back to the padded width for C, which changes from batch to batch: here C is required.
 *
 * @throws OptionError unless the length is positive
 */
export function sequenceSumNorm({ length }: SequenceSumNormOptions): Aggregate {
  if (!(length > 0 && length < Number.POSITIVE_INFINITY)) {
    throw new OptionError('sequenceSumNorm', 'length', 'positive and finite', length);
  }
  return (perToken, mask, context = {}) => tf.tidy(() => tf.div(sequenceSum(perToken, mask, context), length));
}

/** Sum over all tokens, Σ_i S_i: it needs no denominator. */
export function tokenSum(perToken: PerToken, mask: PerToken): tf.Scalar {
  expectTokens('tokenSum', perToken, mask);
  return maskedSum(perToken, mask);
}

function overSequences(perSequence: tf.Tensor, mask: PerToken, { sequences }: StepContext): tf.Scalar {
  return ratio(
    tf.sum(perSequence),
    sequences ?? tf.sum(tf.cast(tf.greater(tf.max(stopGradient(mask), 1), 0), 'float32')),
  );
}

/** a / b, and 0 where b = 0 (where a is a sum over nothing). */
function ratio<T extends tf.Tensor>(a: tf.Tensor, b: tf.Tensor | number): T {
  if (typeof b === 'number') return tf.div<T>(a, b > 0 ? b : 1);
  return tf.div<T>(a, tf.where(tf.greater(b, 0), b, tf.onesLike(b)));
}

function expectTokens(who: string, perToken: PerToken, mask: PerToken): void {
  expectShape(who, 'perToken', perToken, ['B', 'T']);
  expectSameShape(who, { perToken, mask });
}
