import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { globalNorm } from './global-norm.js';
import type { GradientTransform } from './gradient-transform.js';

/**
 * Shrinks all gradients together until their norm is at most `maxNorm`; the direction stays:
 *
 *   g ← g · min(1, maxNorm / ‖g‖)
 *
 * `metrics.gradNorm` is ‖g‖ before clipping. A norm that is NaN or infinite makes **every** update NaN: what has
 * diverged must be seen, and maxNorm / Infinity would quietly be 0. PyTorch divides by ‖g‖ + 1e-6, so it shrinks a
 * gradient of norm maxNorm by 1e-6 / maxNorm; optax follows the formula. No state.
 *
 * @throws OptionError unless maxNorm is positive and finite
 * @see Pascanu et al. 2013, arXiv:1211.5063, algorithm 1
 */
export function clipByGlobalNorm(maxNorm: number): GradientTransform {
  if (!(maxNorm > 0 && maxNorm < Infinity)) {
    throw new OptionError('clipByGlobalNorm', 'maxNorm', 'positive and finite', maxNorm);
  }
  return {
    init: () => ({ step: 0, tensors: {} }),
    update: (grads, state, variables) =>
      tf.tidy(() => {
        const own = Object.fromEntries(variables.map(({ name }) => [name, grads[name] ?? null]));
        const gradNorm = globalNorm(own);
        // 0 · ‖g‖ is 0, or NaN when the norm is not finite. `maximum` alone would not do: backends drop NaN in it.
        const bound = tf.scalar(maxNorm);
        const scale = tf.add(tf.div(bound, tf.maximum(gradNorm, bound)), tf.mul(gradNorm, 0));
        const updates: Record<string, tf.Tensor> = {};
        for (const [name, grad] of Object.entries(own)) if (grad) updates[name] = tf.mul(grad, scale);
        return { updates, state: { ...state, step: state.step + 1 }, metrics: { gradNorm } };
      }),
  };
}
