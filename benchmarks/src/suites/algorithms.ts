import * as tf from '@tensorflow/tfjs-core';
import { estimators } from '@tsrl/advantages/registry';
import { createRng } from '@tsrl/core';
import { fromLogits, ppoClip } from '@tsrl/losses';
import { losses } from '@tsrl/losses/registry';
import { confidenceRewards, rewards } from '@tsrl/rewards/registry';
import { entropy, selectiveLogSoftmax } from '@tsrl/tensor';
import { verifiers } from '@tsrl/verifiers/registry';
import { startBackend } from '../backend.js';
import {
  exampleSweeps,
  type Grower,
  measureGrowth,
  type Shape,
  sampleSweeps,
  tokenSweeps,
  vocabularySweeps,
} from '../growth.js';
import type { Runner } from '../interleave.js';
import { ids, numbers } from '../kernels/operation.js';
import type { Suite } from '../suite.js';

const passes = ['forward', 'forward + backward'] as const;

/** Every entry of the registries, found by itself: nothing here names an algorithm. */
const registered: readonly Grower[] = [
  ...estimators.map(
    ({ name, example, estimate }): Grower => ({
      subject: name,
      pass: 'forward',
      detail: 'advantage estimator, on the host',
      sweeps: tokenSweeps,
      prepare({ B, T }) {
        const inputs = example({ prompts: B / 8, perPrompt: 8, tokens: T }, createRng(0));
        return { run: () => void estimate(inputs), dispose: () => {} };
      },
    }),
  ),
  ...Object.values(confidenceRewards).map(
    ({ name, create }): Grower => ({
      subject: name,
      pass: 'forward',
      detail: 'reward of one action on one example, called for each on the host',
      sweeps: exampleSweeps,
      prepare({ B }) {
        const reward = create();
        const rng = createRng(0);
        const logits = Float64Array.from({ length: B }, () => 4 * rng.normal());
        let sum = 0;
        const run = (): void => {
          for (let i = 0; i < B; i++) {
            sum += reward({ action: (i & 1) as 0 | 1, label: ((i >> 1) & 1) as 0 | 1, logit: logits[i] as number });
          }
          if (Number.isNaN(sum)) throw new Error(`${name} gives NaN`); // the sum must be seen, or V8 drops the loop
        };
        return { run, dispose: () => {} };
      },
    }),
  ),
  ...[...Object.values(rewards), ...Object.values(verifiers)].map(
    ({ name, example, score }): Grower => ({
      subject: name,
      pass: 'forward',
      detail: 'reward of samples, on the host',
      sweeps: sampleSweeps,
      prepare({ B }) {
        const rng = createRng(0);
        const samples = Array.from({ length: B }, () => example(rng));
        return { run: async () => void (await score(samples)), dispose: () => {} };
      },
    }),
  ),
  ...losses.flatMap(({ name, per, differentiable, example, evaluate }) =>
    passes.map(
      (pass): Grower => ({
        subject: estimators.some((other) => other.name === name) ? `${name} (loss)` : name,
        pass,
        detail: 'loss of tensors, with its metrics',
        sweeps: per === 'example' ? exampleSweeps : tokenSweeps,
        prepare({ B, T }) {
          const inputs = example({ sequences: B, tokens: T }, createRng(0)) as Readonly<Record<string, tf.Tensor>>;
          const names = differentiable as readonly string[];
          return differentiated(inputs, names, pass, (all) => evaluate(all));
        },
      }),
    ),
  ),
];

/** What reads logits, whose cost is in the vocabulary. */
const overVocabulary: readonly Grower[] = passes.flatMap((pass) => {
  const grower = (subject: string, value: (inputs: Logits) => tf.Tensor): Grower => ({
    subject,
    pass,
    detail: 'function of logits',
    sweeps: vocabularySweeps,
    prepare: (shape) => differentiated(logitsOf(shape), ['logits'], pass, (all) => value(all as unknown as Logits)),
  });
  return [
    grower('selectiveLogSoftmax', ({ logits, ids }) => selectiveLogSoftmax(logits, ids)),
    grower('entropy', ({ logits }) => entropy(logits)),
    grower('ppoClip from logits', (inputs) => fromLogits(ppoClip())(inputs).loss),
  ];
});

type Logits = { readonly logits: tf.Tensor3D } & Readonly<
  Record<'oldLogProbs' | 'advantages' | 'mask' | 'ids', tf.Tensor2D>
>;

function logitsOf({ B, T, V }: Shape): Logits {
  const rng = createRng(0);
  return {
    logits: numbers([B, T, V], rng, 4),
    ids: ids([B, T], V, rng),
    oldLogProbs: tf.fill([B, T], -Math.log(V)),
    advantages: numbers([B, T], rng),
    mask: tf.ones([B, T]),
  };
}

/** Runs it, or its gradient in the inputs of these names. */
function differentiated(
  inputs: Readonly<Record<string, tf.Tensor>>,
  names: readonly string[],
  pass: (typeof passes)[number],
  compute: (inputs: Readonly<Record<string, tf.Tensor>>) => tf.Tensor | { readonly loss: tf.Tensor },
): Runner & { dispose(): void } {
  const dispose = (): void => void tf.dispose({ ...inputs });
  if (pass === 'forward') return { run: () => tf.tidy(() => void compute(inputs)), dispose };
  const value = (...xs: tf.Tensor[]): tf.Tensor => {
    const result = compute({ ...inputs, ...Object.fromEntries(names.map((name, i) => [name, xs[i] as tf.Tensor])) });
    return 'loss' in result ? result.loss : tf.sum(result);
  };
  const at = names.map((name) => inputs[name] as tf.Tensor);
  return { run: () => tf.tidy(() => void tf.grads(value)(at)), dispose };
}

export const algorithms: Suite = {
  name: 'algorithms',
  question:
    'How long does every estimator, reward and loss take for each element, and does the time grow in proportion to the ' +
    'rows (B), the tokens of a row (T) and the vocabulary (V)?',
  async tasks({ rounds }) {
    const growers = [...registered, ...overVocabulary];
    // However many algorithms there are, the suite ends in time; an exponent asks for less than a comparison.
    const seconds = Math.min(1, 60 / growers.flatMap(({ sweeps }) => sweeps).length);
    return growers.flatMap((grower) =>
      grower.sweeps.map((sweep) => ({
        name: `${grower.subject} ${sweep.size}, ${grower.pass}`,
        seconds: seconds + 0.2,
        async run() {
          await startBackend('wasm');
          return [await measureGrowth(grower, sweep, { rounds, seconds })];
        },
      })),
    );
  },
};
