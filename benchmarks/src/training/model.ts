import * as tf from '@tensorflow/tfjs-core';
import { binaryPpo, supervised } from '@tsrl/binary-ppo';
import { createRng, type Rng } from '@tsrl/core';
import { fromHidden, negativeLogLikelihood } from '@tsrl/losses';
import { createLlama, headPolicy, type LlamaConfig, tiny } from '@tsrl/policies';
import type { BinaryPolicy } from '@tsrl/tensor';
import type { Columns, Examples, Method } from '@tsrl/training';
import { type ModelName, models, type Sizes } from './sizes.js';

/** A policy to train and how; the same in every process and thread that builds it. */
export interface Trainee {
  readonly policy: BinaryPolicy;
  readonly method: Method<Columns>;
  readonly examples: Examples;
}

/** @param count how many texts there are to train on */
export function build(name: ModelName, count: number): Trainee {
  const { sizes, tokens, method } = models[name];
  const rng = createRng(0);
  if (method === 'next-token') {
    // One token more than the model sees: every position has a next one.
    return {
      policy: nextTokenPolicy(sizes, tokens, rng),
      method: nextToken,
      examples: texts(count, tokens + 1, sizes, rng),
    };
  }
  const language = tiny({ texts: words(rng), maxPositions: tokens, ...sizes }, rng.fork('weights'));
  const policy = headPolicy(language, { rng: rng.fork('head') });
  const chosen = method === 'sft' ? supervised() : binaryPpo();
  return { policy, method: chosen as unknown as Method<Columns>, examples: texts(count, tokens, sizes, rng) };
}

/**
 * A language model behind the interface of a classifier, so that it trains by the same step and threads: the "logit" of
 * a text is the mean negative log-likelihood of the batch, whose texts are all equally long.
 */
function nextTokenPolicy(sizes: Sizes, tokens: number, rng: Rng): BinaryPolicy {
  const config: LlamaConfig = {
    ...sizes,
    headSize: sizes.hiddenSize / sizes.heads,
    rmsNormEpsilon: 1e-5,
    ropeTheta: 10_000,
    maxPositions: tokens,
    tieWordEmbeddings: false,
    specialTokens: {},
  };
  const llama = createLlama(config, (weight, shape) => {
    const own = rng.fork(weight);
    const length = shape.reduce((product, n) => product * n, 1);
    return shape.length === 1
      ? new Float32Array(length).fill(1)
      : Float32Array.from({ length }, () => 0.02 * own.normal());
  });
  return {
    variables: [...llama.weights.values()],
    score: ({ ids }) =>
      tf.tidy(() => {
        const rows = ids.shape[0];
        const { loss } = likelihood({
          hidden: llama.hidden(tf.slice(ids, [0, 0], [rows, tokens])),
          weight: llama.output as tf.Tensor as tf.Tensor2D,
          ids: tf.slice(ids, [0, 1], [rows, tokens]),
          mask: tf.ones([rows, tokens]),
        });
        return { logits: tf.mul<tf.Tensor1D>(tf.ones([rows]), loss) };
      }),
  };
}

const likelihood = fromHidden(negativeLogLikelihood());

const nextToken: Method<Columns> = {
  name: 'next-token',
  observes: [],
  prepare: ({ labels }) => ({ labels }),
  loss: ({ logits }, { sequences = logits.size } = {}) => ({
    loss: tf.tidy(() => tf.div(tf.sum(logits), sequences)) as tf.Scalar,
    metrics: {},
  }),
};

function texts(count: number, length: number, { vocabularySize }: Sizes, rng: Rng): Examples {
  const token = (): number => Math.floor(vocabularySize * rng.uniform());
  return {
    sequences: Array.from({ length: count }, () => Int32Array.from({ length }, token)),
    labels: Float64Array.from({ length: count }, (_, i) => i % 2),
  };
}

/** Enough different words for the tokenizer to fill its vocabulary. */
function words(rng: Rng): string[] {
  const letter = (): string => String.fromCharCode(97 + Math.floor(rng.uniform() * 26));
  const word = (): string => Array.from({ length: 3 + Math.floor(rng.uniform() * 5) }, letter).join('');
  return Array.from({ length: 200 }, () => Array.from({ length: 20 }, word).join(' '));
}
