import * as tf from '@tensorflow/tfjs-core';
import type { PpoClipInputs } from '@tsrl/losses';
import { expectSameShape, type Loss, withGradient } from '@tsrl/tensor';

/** Options of `clippedSurrogate`, as those of `ppoClip`. */
export interface ClippedSurrogateOptions {
  readonly clipLow: number;
  readonly clipHigh: number;
  readonly dualClip?: number | undefined;
}

/** No ratio counts for more, so that the loss is finite. */
const MOST = Math.exp(20);

/**
 * `ppoClip` with the aggregation `sequenceSum`, for rows whose mask sums to 1, in the form in which it costs least:
 *
 *   L = −(1/N) Σ_ia w_ia A_ia h_ia,  h = min(ρ, 1 + clipHigh) where A > 0, else max(ρ, 1 − clipLow), at most c (dual clip)
 *   ∂L/∂log π(a) = −w A ρ / N where h = ρ, and 0 elsewhere
 *
 * N = B, or `context.sequences`. It is one operation with a gradient of its own, with far fewer kernels than the
 * composition: a head over features that were computed once spends its time on launching kernels, not in them.
 *
 * Metrics, means over the actions by weight: `clipFraction`, the share whose ratio is held; `kl`, exact KL(π_old ‖ π) =
 * Σ_a π_old(a) (exp(d) − 1 − d), d = log π(a) − log π_old(a), whatever the weights.
 *
 * @throws ShapeError when called
 */
export function clippedSurrogate({ clipLow, clipHigh, dualClip = MOST }: ClippedSurrogateOptions): Loss<PpoClipInputs> {
  return ({ logProbs, oldLogProbs, advantages, mask }, { sequences } = {}) => {
    expectSameShape('clippedSurrogate', { logProbs, oldLogProbs, advantages, mask });
    return tf.tidy(() => {
      const rows = Math.max(mask.shape[0], 1);
      const told = withGradient<tf.Tensor1D>(
        [logProbs],
        () => {
          const moved = tf.sub(logProbs, oldLogProbs);
          const ratio = tf.exp(moved);
          const raised = tf.clipByValue(ratio, 0, 1 + clipHigh);
          const lowered = tf.clipByValue(ratio, 1 - clipLow, dualClip);
          const weighted = tf.mul(mask, advantages);
          const gain = tf.mul(weighted, tf.where(tf.greater(advantages, 0), raised, lowered));
          const held = tf.cast(tf.notEqual(gain, tf.mul(weighted, ratio)), 'float32');
          const slope = tf.mul(tf.sub(gain, tf.mul(gain, held)), -1 / (sequences ?? rows));
          const kl = tf.mul(tf.exp(oldLogProbs), tf.sub(tf.expm1(tf.minimum(moved, 80)), moved));
          const sums = tf.stack([tf.sum(gain), tf.sum(tf.mul(mask, held)), tf.sum(kl)]) as tf.Tensor1D;
          return { value: tf.mul(sums, [-1 / (sequences ?? rows), 1 / rows, 1 / rows]), saved: [slope] };
        },
        (dy, [slope]) => [tf.mul(slope as tf.Tensor, tf.slice(dy, 0, 1))],
      );
      const [loss, clipFraction, kl] = tf.unstack(told) as [tf.Scalar, tf.Scalar, tf.Scalar];
      return { loss, metrics: { clipFraction, kl } };
    });
  };
}
