import * as tf from '@tensorflow/tfjs-core';
import type { LossResult } from './types.js';

/** A loss, its metrics and its gradients by variable name; all owned by the caller. */
export interface ValueAndGrads extends LossResult {
  readonly grads: Readonly<Record<string, tf.Tensor>>;
}

/**
 * The loss, its metrics and its gradient with respect to `variables` (default: every trainable variable that the
 * loss depends on). Unlike `tf.variableGrads` it lets metrics out of the differentiated function, and leaves nothing
 * behind when `compute` throws.
 */
export function valueAndGrads(compute: () => LossResult, variables?: readonly tf.Variable[]): ValueAndGrads {
  const { state } = tf.engine();
  // Inside another differentiation the tape is shared: its earlier nodes are not ours.
  const first = state.gradientDepth === 0 ? 0 : (state.activeTape?.length ?? 0);
  const kept: Record<string, tf.Scalar> = {};
  try {
    // Without this scope, tfjs would leave the loss behind when the way back from it throws.
    return tf.tidy(() => {
      const { value, grads } = tf.variableGrads(
        () => {
          const { loss, metrics } = compute();
          for (const [name, metric] of Object.entries(metrics)) kept[name] = tf.keep(tf.clone(metric));
          return loss;
        },
        variables && [...variables],
      );
      const metrics = Object.fromEntries(Object.entries(kept).map(([name, metric]) => [name, tf.clone(metric)]));
      return { loss: value, metrics, grads };
    });
  } catch (error) {
    // tfjs frees what the tape saved only when the differentiation ends well.
    for (const node of (state.activeTape ?? []).slice(first)) tf.dispose(node.saved ?? []);
    throw error;
  } finally {
    tf.dispose(kept);
  }
}
