import * as tf from '@tensorflow/tfjs-core';
import { entropy, logNormalizer, selectiveLogSoftmax } from '@tsrl/tensor';
import { bytesOf, ids, numbers, type Operation } from './operation.js';

/** Tokens x vocabulary of the logits: of a small model, of Llama 2 and of Qwen 2. */
const sizes: readonly (readonly [tokens: number, vocabulary: number])[] = [
  [1024, 4096],
  [256, 32_000],
  [32, 151_936],
];

/** Functions of the distribution over the next token; what all need, the log-probability, at every size. */
export const logProbs: readonly Operation[] = sizes.flatMap(([tokens, vocabulary], i): Operation[] => {
  const logits = [tokens, vocabulary] as const;
  const shape = `[${tokens}, ${vocabulary}]`;
  const rows = [tokens];
  const forward = bytesOf(logits, rows);
  const passes = { forward: { bytes: forward }, 'forward + backward': { bytes: forward + bytesOf(logits, rows) } };
  const all: Operation[] = [
    {
      subject: 'selectiveLogSoftmax',
      shape,
      detail: 'log-probability of one chosen token in each row of logits',
      inputs: (rng) => ({
        variables: [numbers([...logits], rng, 4)],
        constants: [ids(rows as [number], vocabulary, rng)],
      }),
      ours: ([x], [chosen]) => selectiveLogSoftmax(x as tf.Tensor, chosen as tf.Tensor1D),
      plain: ([x], [chosen]) => chosenLogProbs(tf.logSoftmax(x as tf.Tensor2D), chosen as tf.Tensor1D),
      formulation: 'sum(logSoftmax(x) * oneHot(ids))',
      passes,
    },
    {
      subject: 'entropy',
      shape,
      detail: 'entropy of each row of logits',
      inputs: (rng) => ({ variables: [numbers([...logits], rng, 4)] }),
      ours: ([x]) => entropy(x as tf.Tensor2D),
      plain: ([x]) => plainEntropy(tf.logSoftmax(x as tf.Tensor2D)),
      formulation: '-sum(exp(logSoftmax(x)) * logSoftmax(x))',
      passes,
    },
    {
      subject: 'logNormalizer',
      shape,
      detail: 'logarithm of the sum of exponentials of each row of logits',
      inputs: (rng) => ({ variables: [numbers([...logits], rng, 4)] }),
      ours: ([x]) => logNormalizer(x as tf.Tensor2D),
      plain: ([x]) => tf.logSumExp(x as tf.Tensor2D, 1),
      formulation:
        'logSumExp(x); its gradient passes through the maximum too and leaves there what rounding made of a sum of V terms, ' +
        'which is the difference',
      passes,
    },
  ];
  return i === 1 ? all : all.slice(0, 1);
});

/** int32 through a cast: `oneHot` with dtype float32 gives 1.4e-45 in the place of 1 on wasm. */
export const chosenLogProbs = (all: tf.Tensor2D, chosen: tf.Tensor1D): tf.Tensor1D =>
  tf.sum(tf.mul(all, tf.cast(tf.oneHot(chosen, all.shape[1]), 'float32')), 1);

export const plainEntropy = (all: tf.Tensor2D): tf.Tensor1D => tf.neg(tf.sum(tf.mul(tf.exp(all), all), 1));
