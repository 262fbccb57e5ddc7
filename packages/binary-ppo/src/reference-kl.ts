import * as tf from '@tensorflow/tfjs-core';
import { bernoulliKl, type Loss, stopGradient } from '@tsrl/tensor';

/** Inputs of {@link referenceKl}. */
export interface ReferenceKlInputs {
  /** z of the policy, [B], differentiable. */
  readonly logits: tf.Tensor1D;
  /** z of the reference policy, [B], constant. */
  readonly refLogits: tf.Tensor1D;
}

/**
 * How far a policy over two actions is from a reference, exactly, mean over the examples:
 *
 *   forward  (1/N) Σ_i KL(π_ref(x_i) ‖ π(x_i)),  gradient (π(1) − π_ref(1)) / N in z
 *   reverse  (1/N) Σ_i KL(π(x_i) ‖ π_ref(x_i)),  gradient π(1) π(0) (z − z_ref) / N in z
 *
 * N = B, or `context.sequences`. Both actions are summed, so nothing is estimated (unlike `kl` of @tsrl/losses).
 * Metric: `kl`, the mean over this batch.
 *
 * @throws ShapeError when called
 */
export function referenceKl(direction: 'forward' | 'reverse'): Loss<ReferenceKlInputs> {
  return ({ logits, refLogits }, { sequences } = {}) =>
    tf.tidy(() => {
      const each = direction === 'forward' ? bernoulliKl(refLogits, logits) : bernoulliKl(logits, refLogits);
      const size = Math.max(logits.size, 1);
      return {
        loss: tf.div<tf.Scalar>(tf.sum(each), sequences ?? size),
        metrics: { kl: tf.div<tf.Scalar>(tf.sum(stopGradient(each)), size) },
      };
    });
}
