import * as tf from '@tensorflow/tfjs-core';
import { bytesOf, ids, numbers, type Operation } from './operation.js';

const [tokens, vocabulary, hidden] = [1024, 32_000, 512];

/** What moves rows about: embeddings, and the transpositions of attention. */
export const rows: readonly Operation[] = [
  {
    subject: 'embedding',
    shape: `${tokens} of [${vocabulary}, ${hidden}]`,
    detail: 'gathers the rows of the tokens from a table; backward, adds gradients of rows to a table of zeros',
    inputs: (rng) => ({
      variables: [numbers([vocabulary, hidden], rng)],
      constants: [ids([tokens], vocabulary, rng)],
    }),
    ours: ([table], [chosen]) => tf.gather(table as tf.Tensor2D, chosen as tf.Tensor1D),
    formulation: 'gather(table, ids); UnsortedSegmentSum of the gradient is ours here too, tfjs has none on wasm',
    passes: {
      forward: { bytes: 2 * bytesOf([tokens, hidden]) },
      'forward + backward': { bytes: 4 * bytesOf([tokens, hidden]) + bytesOf([vocabulary, hidden]) },
    },
    seconds: 2,
  },
  {
    subject: 'transpose',
    shape: '[8, 128, 4, 64] by (0, 2, 1, 3)',
    detail: 'exchanges axes: tokens and heads, as attention does',
    inputs: (rng) => ({ variables: [numbers([8, 128, 4, 64], rng)] }),
    ours: ([x]) => tf.transpose(x as tf.Tensor, [0, 2, 1, 3]),
    formulation: 'transpose(x, [0, 2, 1, 3])',
    passes: { forward: { bytes: 2 * bytesOf([8, 128, 4, 64]) } },
    seconds: 2,
  },
  {
    subject: 'transpose',
    shape: '[1024, 4096]',
    detail: 'exchanges the axes of a matrix',
    inputs: (rng) => ({ variables: [numbers([1024, 4096], rng)] }),
    ours: ([x]) => tf.transpose(x as tf.Tensor),
    formulation: 'transpose(x)',
    passes: { forward: { bytes: 2 * bytesOf([1024, 4096]) } },
    seconds: 2,
  },
];
