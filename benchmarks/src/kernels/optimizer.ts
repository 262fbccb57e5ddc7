import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { adamW, applyUpdates, globalNorm } from '@tsrl/optim';
import type { TensorCase } from '../compare-tensors.js';
import { against, numbers, sizeOf } from './operation.js';

/** The weights of the 5 M-parameter model of the suite `training`. */
const shapes: readonly (readonly number[])[] = [
  [4096, 256],
  ...Array.from({ length: 4 }, () => [
    ...Array.from({ length: 4 }, () => [256, 256]),
    [688, 256],
    [688, 256],
    [256, 688],
    [256],
    [256],
  ]).flat(),
  [256],
  [4096, 256],
];
const count = shapes.reduce((sum, shape) => sum + sizeOf(shape), 0);
const variant = `${shapes.length} variables, ${(count / 1e6).toFixed(1)} M numbers`;
const [learningRate, beta1, beta2, epsilon, weightDecay] = [1e-4, 0.9, 0.999, 1e-8, 0.01];

let prepared = 0;

export const optimizer: readonly TensorCase[] = [
  {
    subject: 'adamW',
    variant,
    detail: 'one update of every variable and its two moments',
    seconds: 3,
    work: { bytes: 7 * 4 * count },
    prepare() {
      const [own, plain] = [variables(), variables()];
      const grads = random();
      const named = Object.fromEntries(own.map(({ name }, i) => [name, grads[i] as tf.Tensor]));
      const transform = adamW({ learningRate, beta1, beta2, epsilon, weightDecay });
      let state = transform.init(own);
      const moments = plain.map(({ shape }) => [tf.variable(tf.zeros(shape)), tf.variable(tf.zeros(shape))] as const);
      let step = 0;
      const ours = (): tf.Tensor[] => {
        const { updates, metrics, state: next } = transform.update(named, state, own);
        applyUpdates(own, updates);
        tf.dispose([updates, metrics] as tf.TensorContainer);
        state = next;
        return own.slice(0, 3).map((variable) => tf.clone(variable));
      };
      const naive = (): tf.Tensor[] => {
        step += 1;
        for (const [i, variable] of plain.entries()) {
          const [m, v] = moments[i] as (typeof moments)[number];
          tf.tidy(() => {
            const g = grads[i] as tf.Tensor;
            m.assign(tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1)));
            v.assign(tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2)));
            const mean = tf.div(m, 1 - beta1 ** step);
            const deviation = tf.add(tf.sqrt(tf.div(v, 1 - beta2 ** step)), epsilon);
            const change = tf.add(tf.div(mean, deviation), tf.mul(variable, weightDecay));
            variable.assign(tf.sub(variable, tf.mul(change, learningRate)));
          });
        }
        return plain.slice(0, 3).map((variable) => tf.clone(variable));
      };
      return {
        contenders: against(
          ours,
          naive,
          'the formula by mul, add, sqrt and div, variable by variable; tf.train.adam has no decay',
        ),
        dispose: () => tf.dispose([own, plain, grads, state.tensors, moments.flat()] as tf.TensorContainer),
      };
    },
  },
  {
    subject: 'globalNorm',
    variant,
    detail: 'root of the sum of squares of all gradients, for clipping',
    seconds: 2,
    work: { bytes: 4 * count },
    prepare() {
      const grads = random();
      const named = Object.fromEntries(grads.map((grad, i) => [`${i}`, grad]));
      return {
        contenders: against(
          () => [globalNorm(named)],
          () => [tf.tidy(() => tf.sqrt(tf.addN(grads.map((grad) => tf.sum(tf.square(grad))))))],
          'sqrt(addN(sum(square(g))))',
        ),
        dispose: () => tf.dispose(grads),
      };
    },
  },
];

const random = (): tf.Tensor[] => {
  const rng = createRng(0);
  return shapes.map((shape) => numbers([...shape], rng, 0.1));
};

function variables(): tf.Variable[] {
  const scope = `optimizer${prepared++}`;
  return random().map((value, i) => {
    const variable = tf.variable(value, true, `${scope}/${i}`);
    value.dispose();
    return variable;
  });
}
