import * as tf from '@tensorflow/tfjs-core';
import { OptionError, type Schedule, toSchedule } from '@tsrl/core';
import { expectFraction, expectLearningRate, expectNotNegative } from './check.js';
import type { GradientTransform } from './gradient-transform.js';
import { activeVariables, zeroMoments } from './moments.js';
import { moveBy } from './move-by.js';

export interface AdamWOptions {
  /** α, or α of the step (counted from 0). */
  readonly learningRate: number | Schedule;
  /** Decay rate of the first moment, in [0, 1); 0.9. */
  readonly beta1?: number;
  /** Decay rate of the second moment, in [0, 1); 0.999. */
  readonly beta2?: number;
  /** ε > 0, added to the root of the corrected second moment; 1e-8. */
  readonly epsilon?: number;
  /** λ ≥ 0; 0. */
  readonly weightDecay?: number;
  /** Which variables decay, by name; all of them. Norms and biases are often left out. */
  readonly decay?: (name: string) => boolean;
}

/**
 * Adam with decoupled weight decay. For the gradient g of a variable θ at step t = 1, 2, …:
 *
 *   m ← β₁ m + (1 − β₁) g            v ← β₂ v + (1 − β₂) g²
 *   update = −α ( m̂ / (√v̂ + ε) + λ θ ),   m̂ = m / (1 − β₁ᵗ),   v̂ = v / (1 − β₂ᵗ)
 *
 * With λ = 0 it is Adam. The decay is scaled by the whole learning rate, as in PyTorch and optax; the paper scales
 * it by the multiplier of the schedule alone, so its λ is αλ here. ε stands outside the root and sees the corrected
 * moment, as in PyTorch, optax (`eps`) and tfjs. Keras takes the "ε̂" of Kingma and Ba (section 2), which stands
 * beside √v: the same ε weighs 1 / √(1 − β₂ᵗ) times more there, 32 times at the first step. The default ε of Keras
 * and tfjs is 1e-7.
 *
 * State: `adamW/m/NAME`, `adamW/v/NAME`, in float32, where v comes to rest within 1e-4 of a constant g²: half an ulp
 * over 1 − β₂. Where the kernels of @tsrl/kernels are installed it is one pass over memory, on wasm over that of the old
 * moments, which are the caller's no more; a clone of one stays what it was.
 *
 * @throws OptionError for options out of range, and in `update` for a schedule that gives no rate;
 *   ShapeError and StateError for gradients and states that do not fit the variables
 * @see Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2; Kingma and Ba 2015, arXiv:1412.6980, algorithm 1
 */
export function adamW({
  learningRate,
  beta1 = 0.9,
  beta2 = 0.999,
  epsilon = 1e-8,
  weightDecay = 0,
  decay = () => true,
}: AdamWOptions): GradientTransform {
  expectLearningRate('adamW', learningRate);
  expectFraction('adamW', 'beta1', beta1);
  expectFraction('adamW', 'beta2', beta2);
  if (!(epsilon > 0 && epsilon < Infinity)) throw new OptionError('adamW', 'epsilon', 'positive', epsilon);
  expectNotNegative('adamW', 'weightDecay', weightDecay);
  const rate = toSchedule(learningRate);

  return {
    init: (variables) => tf.tidy(() => ({ step: 0, tensors: zeroMoments(variables, kinds) })),
    update: (grads, state, variables) =>
      tf.tidy(() => {
        const alpha = expectLearningRate('adamW', rate(state.step));
        const active = activeVariables('adamW', grads, state, variables, kinds);
        // α m̂ / (√v̂ + ε) = α c₁ m / (c₂ √v + ε), with c₁ and c₂ computed in float64.
        const c1 = 1 / (1 - beta1 ** (state.step + 1));
        const c2 = 1 / Math.sqrt(1 - beta2 ** (state.step + 1));
        const factors = { beta1, beta2, scale: -alpha * c1, root: c2, epsilon, shrink: -alpha * weightDecay };
        const move = moveBy(factors);

        const tensors = { ...state.tensors };
        const updates: Record<string, tf.Tensor> = {};
        for (const { variable, grad, keys, moments } of active) {
          const [mKey, vKey] = keys as [string, string];
          const decays = weightDecay > 0 && decay(variable.name);
          const [m, v, update] = move({ moments: moments as [tf.Tensor, tf.Tensor], grad, variable, decays });
          tf.dispose(moments as tf.Tensor[]);
          Object.assign(tensors, { [mKey]: m, [vKey]: v });
          updates[variable.name] = update;
        }
        return { updates, state: { step: state.step + 1, tensors }, metrics: {} };
      }),
  };
}

const kinds = ['adamW/m', 'adamW/v'] as const;
