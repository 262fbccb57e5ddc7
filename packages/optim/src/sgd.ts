import * as tf from '@tensorflow/tfjs-core';
import { type Schedule, toSchedule } from '@tsrl/core';
import { expectFraction, expectLearningRate } from './check.js';
import type { GradientTransform } from './gradient-transform.js';
import { activeVariables, zeroMoments } from './moments.js';

export interface SgdOptions {
  /** α, or α of the step (counted from 0). */
  readonly learningRate: number | Schedule;
  /** μ in [0, 1); 0, which keeps no state. */
  readonly momentum?: number;
}

/**
 * Gradient descent with heavy-ball momentum:
 *
 *   b ← μ b + g,   update = −α b
 *
 * PyTorch (dampening 0), optax and tfjs agree. Sutskever et al. put α into the buffer, which differs when α changes.
 * State: `sgd/momentum/NAME`, and none when μ = 0.
 *
 * @throws OptionError for options out of range, and in `update` for a schedule that gives no rate;
 *   ShapeError and StateError for gradients and states that do not fit the variables
 * @see Polyak 1964, "Some methods of speeding up the convergence of iteration methods"
 */
export function sgd({ learningRate, momentum = 0 }: SgdOptions): GradientTransform {
  expectLearningRate('sgd', learningRate);
  expectFraction('sgd', 'momentum', momentum);
  const rate = toSchedule(learningRate);
  const kinds = momentum > 0 ? ['sgd/momentum'] : [];

  return {
    init: (variables) => tf.tidy(() => ({ step: 0, tensors: zeroMoments(variables, kinds) })),
    update: (grads, state, variables) =>
      tf.tidy(() => {
        const alpha = expectLearningRate('sgd', rate(state.step));
        const active = activeVariables('sgd', grads, state, variables, kinds);
        const scale = tf.scalar(-alpha);
        const keep = tf.scalar(momentum);

        const tensors = { ...state.tensors };
        const updates: Record<string, tf.Tensor> = {};
        for (const { variable, grad, keys, moments } of active) {
          const [key] = keys;
          const [old] = moments;
          if (key === undefined || old === undefined) {
            updates[variable.name] = tf.mul(grad, scale);
            continue;
          }
          const buffer = tf.tidy(() => tf.add(tf.mul(old, keep), grad));
          tf.dispose(old);
          tensors[key] = buffer;
          updates[variable.name] = tf.mul(buffer, scale);
        }
        return { updates, state: { step: state.step + 1, tensors }, metrics: {} };
      }),
  };
}
