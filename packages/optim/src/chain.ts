import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { GradientTransform, OptimizerState, Updates } from './gradient-transform.js';

/**
 * One transform after the other, each working on the updates of the one before, all on the same step:
 *
 *   chain(clipByGlobalNorm(1), adamW({ learningRate: 1e-3 }))
 *
 * The chain of nothing passes gradients on. Tensors of the state keep their names, so that adding a stateless
 * transform leaves checkpoints valid; metrics of one name are those of the last.
 *
 * @throws OptionError in `init` when two transforms name their state alike
 */
export function chain(...transforms: readonly GradientTransform[]): GradientTransform {
  return {
    init: (variables) =>
      tf.tidy(() => {
        const tensors: Record<string, tf.Tensor> = {};
        for (const transform of transforms) {
          for (const [key, tensor] of Object.entries(transform.init(variables).tensors)) {
            if (key in tensors) throw new OptionError('chain', 'transforms', 'of different kinds', key);
            tensors[key] = tensor;
          }
        }
        return { step: 0, tensors };
      }),
    update: (grads, { step, tensors }, variables) =>
      tf.tidy(() => {
        let state: OptimizerState = { step, tensors };
        let updates: Updates = copyOf(grads, variables);
        let metrics: Readonly<Record<string, tf.Scalar>> = {};
        for (const transform of transforms) {
          const result = transform.update(updates, { ...state, step }, variables);
          tf.dispose(updates as Record<string, tf.Tensor>);
          ({ updates, state } = result);
          metrics = { ...metrics, ...result.metrics };
        }
        return { updates, state: { ...state, step: step + 1 }, metrics };
      }),
  };
}

/** The gradients of these variables as tensors of our own; the data are shared. */
function copyOf(grads: Parameters<GradientTransform['update']>[0], variables: readonly tf.Variable[]): Updates {
  const pairs = variables.flatMap(({ name }): [string, tf.Tensor][] => {
    const grad = grads[name];
    return grad ? [[name, tf.clone(grad)]] : [];
  });
  return Object.fromEntries(pairs);
}
