import * as tf from '@tensorflow/tfjs-core';

/** The factors of one step of AdamW, in float64; see `adamW`. */
export interface Factors {
  readonly beta1: number;
  readonly beta2: number;
  readonly scale: number;
  readonly root: number;
  readonly epsilon: number;
  readonly shrink: number;
}

export interface Step {
  readonly moments: readonly [tf.Tensor, tf.Tensor];
  readonly grad: tf.Tensor;
  readonly variable: tf.Tensor;
  readonly decays: boolean;
}

/** The new moments and the update of each variable: in one pass where the kernel of @tsrl/kernels is installed. */
export function moveBy(factors: Factors): (step: Step) => [tf.Tensor, tf.Tensor, tf.Tensor] {
  return tf.getKernel('TsrlAdamW', tf.getBackend()) ? fused(factors) : composed(factors);
}

const fused =
  (factors: Factors) =>
  ({ moments: [m, v], grad, variable, decays }: Step): [tf.Tensor, tf.Tensor, tf.Tensor] =>
    tf.engine().runKernel(
      'TsrlAdamW',
      { m, v, grad, variable },
      {
        ...factors,
        shrink: decays ? factors.shrink : 0,
      },
    ) as unknown as [tf.Tensor, tf.Tensor, tf.Tensor];

function composed({ beta1, beta2, ...factors }: Factors): ReturnType<typeof moveBy> {
  // One scalar each for all variables.
  const [keepM, takeM, keepV, takeV] = [beta1, 1 - beta1, beta2, 1 - beta2].map((x) => tf.scalar(x)) as Four<tf.Scalar>;
  const { scale, root, epsilon, shrink } = factors;
  const [times, rooted, floor, less] = [scale, root, epsilon, shrink].map((x) => tf.scalar(x)) as Four<tf.Scalar>;
  return ({ moments: [oldM, oldV], grad, variable, decays }) =>
    tf.tidy(() => {
      const m = tf.add(tf.mul(oldM, keepM), tf.mul(grad, takeM));
      const v = tf.add(tf.mul(oldV, keepV), tf.mul(tf.square(grad), takeV));
      const step = tf.div(tf.mul(m, times), tf.add(tf.mul(tf.sqrt(v), rooted), floor));
      return [m, v, decays ? tf.add(step, tf.mul(variable, less)) : step];
    });
}

type Four<T> = [T, T, T, T];
