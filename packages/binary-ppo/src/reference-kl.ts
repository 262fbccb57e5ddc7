import * as tf from '@tensorflow/tfjs-core';
import { type Loss, type PerSequence, stopGradient } from '@tsrl/tensor';
import { type Answers, answerKl } from './answers.js';

/** Inputs of {@link referenceKl}. */
export interface ReferenceKlInputs extends Answers {
  /** z of the reference policy, [B], constant. */
  readonly refLogits: PerSequence;
  /** Its log-probability of a valid answer, [B], constant; needed with `logMass`. */
  readonly refLogMass?: PerSequence | undefined;
}

/**
 * How far a policy over two actions, or three, is from a reference, exactly, mean over the examples:
 *
 *   forward  (1/N) Σ_i KL(π_ref(x_i) ‖ π(x_i)),  of two: gradient (π(1) − π_ref(1)) / N in z
 *   reverse  (1/N) Σ_i KL(π(x_i) ‖ π_ref(x_i)),  of two: gradient π(1) π(0) (z − z_ref) / N in z
 *
 * N = B, or `context.sequences`. All actions are summed, so nothing is estimated (unlike `kl` of @tsrl/losses).
 * Metric: `kl`, the mean over this batch.
 *
 * @throws ShapeError when called
 */
export function referenceKl(direction: 'forward' | 'reverse'): Loss<ReferenceKlInputs> {
  return ({ refLogits, refLogMass, ...policy }, { sequences } = {}) =>
    tf.tidy(() => {
      const reference = { logits: refLogits, logMass: refLogMass };
      const each = direction === 'forward' ? answerKl(reference, policy) : answerKl(policy, reference);
      const size = Math.max(each.size, 1);
      return {
        loss: tf.div<tf.Scalar>(tf.sum(each), sequences ?? size),
        metrics: { kl: tf.div<tf.Scalar>(tf.sum(stopGradient(each)), size) },
      };
    });
}
