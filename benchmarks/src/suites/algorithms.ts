import * as tf from '@tensorflow/tfjs-core';
import { estimators } from '@tsrl/advantages/registry';
import { createRng } from '@tsrl/core';
import { losses } from '@tsrl/losses/registry';
import { confidenceRewards } from '@tsrl/rewards/registry';
import { startBackend } from '../backend.js';
import { type Grower, measureGrowth } from '../growth.js';
import type { Suite } from '../suite.js';

/** Every entry of the registries, found by itself: nothing here names an algorithm. */
export const growers: readonly Grower[] = [
  ...estimators.map(
    ({ name, example, estimate }): Grower => ({
      subject: name,
      pass: 'forward',
      detail: 'advantage estimator, on the host',
      prepare(rows, tokens) {
        const inputs = example({ prompts: rows / 8, perPrompt: 8, tokens }, createRng(0));
        return { run: () => void estimate(inputs), dispose: () => {} };
      },
    }),
  ),
  ...Object.values(confidenceRewards).map(
    ({ name, create }): Grower => ({
      subject: name,
      pass: 'forward',
      detail: 'reward of one action on one example, called for each on the host',
      perExample: true,
      prepare(rows) {
        const reward = create();
        const rng = createRng(0);
        const scores = Float64Array.from({ length: rows }, () => 4 * rng.normal());
        let sum = 0;
        const run = (): void => {
          for (let i = 0; i < rows; i++) {
            sum += reward({ action: (i & 1) as 0 | 1, label: ((i >> 1) & 1) as 0 | 1, logit: scores[i] as number });
          }
          if (Number.isNaN(sum)) throw new Error(`${name} gives NaN`); // the sum must be seen, or V8 drops the loop
        };
        return { run, dispose: () => {} };
      },
    }),
  ),
  ...losses.flatMap(({ name, per, differentiable, example, evaluate }) =>
    (['forward', 'forward + backward'] as const).map(
      (pass): Grower => ({
        subject: name,
        pass,
        detail: `loss${pass === 'forward' ? '' : ` and its gradient in ${differentiable.join(', ')}`}, as tensors`,
        perExample: per === 'example',
        prepare(rows, tokens) {
          const inputs = example({ sequences: rows, tokens }, createRng(0)) as Readonly<Record<string, tf.Tensor>>;
          const dispose = (): void => void tf.dispose({ ...inputs });
          if (pass === 'forward') return { run: () => tf.dispose({ ...evaluate(inputs) }), dispose };
          const names = differentiable as readonly string[];
          const value = (...xs: tf.Tensor[]): tf.Scalar =>
            evaluate({ ...inputs, ...Object.fromEntries(names.map((key, i) => [key, xs[i]])) }).loss;
          const at = names.map((key) => inputs[key] as tf.Tensor);
          return { run: () => tf.tidy(() => void tf.grads(value)(at)), dispose };
        },
      }),
    ),
  ),
];

export const algorithms: Suite = {
  name: 'algorithms',
  question:
    'How long does every estimator, reward and loss take for each element, and does the time grow in proportion to the ' +
    'rows (B) and tokens (T)?',
  async tasks({ rounds }) {
    return growers.flatMap((grower) =>
      (grower.perExample ? (['B'] as const) : (['B', 'T'] as const)).map((size) => ({
        name: `${grower.subject} ${size}, ${grower.pass}`,
        seconds: 1,
        async run() {
          await startBackend('wasm');
          return [await measureGrowth(grower, size, { rounds, seconds: 1 })];
        },
      })),
    );
  },
};
