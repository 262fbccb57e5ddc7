import * as tf from '@tensorflow/tfjs-core';
import { createRng, type Rng } from '@tsrl/core';
import { entropyBonus, fromHidden, fromLogits, objective, type PpoClipInputs, ppoClip, scale } from '@tsrl/losses';
import { linearLogProbs, selectiveLogSoftmax } from '@tsrl/tensor';
import type { TensorCase } from '../compare-tensors.js';
import { chosenLogProbs, plainEntropy } from './log-probs.js';
import { bytesOf, ids, numbers, type Operation } from './operation.js';

const entropyCoefficient = 0.01;
const clip = 0.2;
const withEntropy = objective({ policy: ppoClip(), entropy: scale(entropyCoefficient, entropyBonus()) });

type Constants = readonly [ids: tf.Tensor2D, old: tf.Tensor2D, advantages: tf.Tensor2D, mask: tf.Tensor2D];

/** The clipped surrogate as tfjs users write it, of logits [T, V]. */
function plainPpo(logits: tf.Tensor2D, constants: readonly tf.Tensor[], coefficient: number): tf.Scalar {
  const [chosen, old, advantages, mask] = constants as unknown as Constants;
  const all: tf.Tensor2D = tf.logSoftmax(logits);
  const logProbs = chosenLogProbs(all, tf.reshape(chosen, [-1]));
  const ratio = tf.exp(tf.sub(logProbs, tf.reshape(old, [-1])));
  const a = tf.reshape(advantages, [-1]);
  const surrogate = tf.minimum(tf.mul(ratio, a), tf.mul(tf.clipByValue(ratio, 1 - clip, 1 + clip), a));
  const gain = coefficient === 0 ? surrogate : tf.add(surrogate, tf.mul(plainEntropy(all), coefficient));
  const weights = tf.reshape(mask, [-1]);
  return tf.neg(tf.div(tf.sum(tf.mul(gain, weights)), tf.sum(weights)));
}

const named = (constants: readonly tf.Tensor[]): Omit<PpoClipInputs, 'logProbs'> & { readonly ids: tf.Tensor2D } => {
  const [chosen, oldLogProbs, advantages, mask] = constants as unknown as Constants;
  return { ids: chosen, oldLogProbs, advantages, mask };
};

/** Old log-probs near the present ones, so that some ratios are clipped and some are not. */
function constantsOf(logProbs: tf.Tensor, chosen: tf.Tensor2D, tokens: number, rng: Rng): tf.Tensor[] {
  const old = tf.tidy(() => tf.add(tf.reshape(logProbs, [1, tokens]), numbers([1, tokens], rng, 0.4)));
  logProbs.dispose();
  return [chosen, old, numbers([1, tokens], rng), tf.ones([1, tokens])];
}

export const tokenLosses: readonly Operation[] = [64, 256].flatMap((tokens) => {
  const vocabulary = 32_000;
  const shape = [1, tokens, vocabulary] as const;
  const inputs = (rng: Rng) => {
    const logits = numbers([...shape], rng, 4);
    const chosen = ids<tf.Rank.R2>([1, tokens], vocabulary, rng);
    const logProbs = tf.tidy(() => selectiveLogSoftmax(logits, chosen));
    return { variables: [logits], constants: constantsOf(logProbs, chosen, tokens, rng) };
  };
  const flat = (x: tf.Tensor | undefined): tf.Tensor2D => tf.reshape(x as tf.Tensor, [tokens, vocabulary]);
  const common = {
    shape: `[${tokens}, ${vocabulary}]`,
    inputs,
    passes: { 'forward + backward': { bytes: 2 * bytesOf(shape) } },
    seconds: 3,
  };
  return [
    {
      ...common,
      subject: 'PPO from logits',
      detail: 'the clipped surrogate of tokens, from logits to the loss and its gradient in the logits',
      ours: ([x], constants) => fromLogits(ppoClip())({ logits: x as tf.Tensor3D, ...named(constants) }).loss,
      plain: ([x], constants) => plainPpo(flat(x), constants, 0),
      formulation: 'logSoftmax, oneHot, exp, clipByValue, minimum',
    },
    {
      ...common,
      subject: 'PPO with entropy from logits',
      detail: 'the same with an entropy bonus',
      ours: ([x], constants) => fromLogits(withEntropy)({ logits: x as tf.Tensor3D, ...named(constants) }).loss,
      plain: ([x], constants) => plainPpo(flat(x), constants, entropyCoefficient),
      formulation: 'logSoftmax, oneHot, exp, clipByValue, minimum; -sum(exp(logSoftmax(x)) * logSoftmax(x))',
    },
  ] satisfies Operation[];
});

const head = { tokens: 256, hidden: 256, vocabulary: 4096 };

/** Behind an output projection. */
export const heads: readonly Operation[] = [
  {
    subject: 'linearLogProbs',
    shape: `[${head.tokens}, ${head.hidden}] [${head.vocabulary}, ${head.hidden}]`,
    detail: 'output projection and log-probability of one chosen token in each row',
    inputs: (rng) => {
      const { tokens, hidden, vocabulary } = head;
      return {
        variables: [numbers([1, tokens, hidden], rng), numbers([vocabulary, hidden], rng, 0.2)],
        constants: [ids([1, tokens], vocabulary, rng)],
      };
    },
    ours: ([h, w], [chosen]) => linearLogProbs(h as tf.Tensor3D, w as tf.Tensor2D, chosen as tf.Tensor2D),
    plain: ([h, w], [chosen]) => {
      const states: tf.Tensor2D = tf.reshape(h as tf.Tensor, [head.tokens, head.hidden]);
      const all: tf.Tensor2D = tf.logSoftmax(tf.matMul(states, w as tf.Tensor2D, false, true));
      return tf.reshape(chosenLogProbs(all, tf.reshape(chosen as tf.Tensor, [-1])), [1, head.tokens]);
    },
    formulation: 'matMul, then sum(logSoftmax(x) * oneHot(ids))',
    passes: {
      forward: { flop: 2 * head.tokens * head.hidden * head.vocabulary },
      'forward + backward': { flop: 6 * head.tokens * head.hidden * head.vocabulary },
    },
    seconds: 4,
  },
];

/** The head of a language model in chunks of tokens, against all logits at once: both ours. */
export const chunked = (tokens: number, hidden: number, vocabulary: number): TensorCase => ({
  subject: 'PPO with entropy from hidden',
  variant: `[${tokens}, ${hidden}] [${vocabulary}, ${hidden}], forward + backward`,
  detail:
    'the same behind an output projection: loss and its gradients in the hidden states and in the projection, in chunks',
  seconds: 5,
  work: { flop: 6 * tokens * hidden * vocabulary },
  prepare() {
    const rng = createRng(0);
    const states = numbers<tf.Rank.R3>([1, tokens, hidden], rng);
    const weight = numbers<tf.Rank.R2>([vocabulary, hidden], rng, 0.2);
    const chosen = ids<tf.Rank.R2>([1, tokens], vocabulary, rng);
    const constants = constantsOf(linearLogProbs(states, weight, chosen), chosen, tokens, rng);
    const gradients = (loss: (h: tf.Tensor3D, w: tf.Tensor2D) => tf.Scalar) => (): tf.Tensor[] =>
      tf.tidy(() => tf.grads((h, w) => loss(h as tf.Tensor3D, w as tf.Tensor2D))([states, weight]));
    return {
      contenders: [
        {
          name: 'tsrl',
          kernels: 'tsrl',
          compute: gradients((h, w) => fromHidden(withEntropy)({ hidden: h, weight: w, ...named(constants) }).loss),
        },
        {
          name: 'tsrl with all logits at once',
          kernels: 'tsrl',
          settings: 'fromLogits of a matMul',
          compute: gradients((h, w) => {
            const product = tf.matMul(tf.reshape<tf.Rank.R2>(h, [tokens, hidden]), w, false, true);
            const logits: tf.Tensor3D = tf.reshape(product, [1, tokens, vocabulary]);
            return fromLogits(withEntropy)({ logits, ...named(constants) }).loss;
          }),
        },
      ],
      dispose: () => tf.dispose([states, weight, constants]),
    };
  },
});
