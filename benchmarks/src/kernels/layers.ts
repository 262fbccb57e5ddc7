import * as tf from '@tensorflow/tfjs-core';
import { causalAttention, gelu, layerNorm, rmsNorm, rotary, swiglu } from '@tsrl/tensor';
import { bytesOf, numbers, type Operation } from './operation.js';

const [tokens, hidden, wide] = [4096, 512, 1376];
const epsilon = 1e-5;

/** Reads and writes of something that maps x to y, and of dy to dx with x read again. */
const mapping = (...shapes: readonly (readonly number[])[]): Operation['passes'] => ({
  forward: { bytes: 2 * bytesOf(...shapes) },
  'forward + backward': { bytes: 5 * bytesOf(...shapes) },
});

/** The parts of a transformer layer beside its products. */
export const layers: readonly Operation[] = [
  {
    subject: 'rmsNorm',
    shape: `[${tokens}, ${hidden}]`,
    detail: 'divides each row by its root mean square and multiplies by weights',
    inputs: (rng) => ({ variables: [numbers([tokens, hidden], rng), numbers([hidden], rng)] }),
    ours: ([x, w]) => rmsNorm(x as tf.Tensor2D, w as tf.Tensor1D, { epsilon }),
    plain: ([x, w]) => {
      const scale = tf.rsqrt(tf.add(tf.mean(tf.square(x as tf.Tensor), 1, true), epsilon));
      return tf.mul(tf.mul(x as tf.Tensor, scale), w as tf.Tensor);
    },
    formulation: 'x * rsqrt(mean(square(x)) + epsilon) * w',
    passes: mapping([tokens, hidden]),
  },
  {
    subject: 'layerNorm',
    shape: `[${tokens}, ${hidden}]`,
    detail: 'centres and scales each row, then multiplies by weights and adds a bias',
    inputs: (rng) => ({
      variables: [numbers([tokens, hidden], rng), numbers([hidden], rng), numbers([hidden], rng)],
    }),
    ours: ([x, w, b]) => layerNorm(x as tf.Tensor2D, w as tf.Tensor1D, b as tf.Tensor1D, { epsilon }),
    plain: ([x, w, b]) => {
      const { mean, variance } = tf.moments(x as tf.Tensor, 1, true);
      const normal = tf.mul(tf.sub(x as tf.Tensor, mean), tf.rsqrt(tf.add(variance, epsilon)));
      return tf.add(tf.mul(normal, w as tf.Tensor), b as tf.Tensor);
    },
    formulation: 'moments, then (x - mean) * rsqrt(variance + epsilon) * w + b',
    passes: mapping([tokens, hidden]),
  },
  {
    subject: 'gelu',
    shape: `[${tokens}, ${hidden}]`,
    detail: 'Gaussian error linear unit, in its approximation by tanh',
    inputs: (rng) => ({ variables: [numbers([tokens, hidden], rng, 3)] }),
    ours: ([x]) => gelu(x as tf.Tensor, { approximate: 'tanh' }),
    plain: ([x]) => {
      const inner = tf.add(x as tf.Tensor, tf.mul(tf.pow(x as tf.Tensor, 3), 0.044715));
      return tf.mul(tf.mul(x as tf.Tensor, 0.5), tf.add(tf.tanh(tf.mul(inner, Math.sqrt(2 / Math.PI))), 1));
    },
    formulation: 'x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 pow(x, 3))))',
    passes: mapping([tokens, hidden]),
  },
  {
    subject: 'swiglu',
    shape: `[${tokens}, ${wide}]`,
    detail: "silu(gate) * up, the gated unit of Llama's feed-forward",
    inputs: (rng) => ({ variables: [numbers([tokens, wide], rng, 3), numbers([tokens, wide], rng)] }),
    ours: ([gate, up]) => swiglu(gate as tf.Tensor, up as tf.Tensor),
    plain: ([gate, up]) => tf.mul(tf.mul(gate as tf.Tensor, tf.sigmoid(gate as tf.Tensor)), up as tf.Tensor),
    formulation: 'gate * sigmoid(gate) * up',
    passes: {
      forward: { bytes: 3 * bytesOf([tokens, wide]) },
      'forward + backward': { bytes: 8 * bytesOf([tokens, wide]) },
    },
  },
  {
    subject: 'rotary',
    shape: '[32, 128, 8, 64]',
    detail: 'turns pairs of numbers of each head by an angle of its position',
    inputs: (rng) => ({ variables: [numbers([32, 128, 8, 64], rng)] }),
    ours: ([x]) => rotary(x as tf.Tensor4D),
    plain: ([x]) => plainRotary(x as tf.Tensor4D, 10_000),
    formulation: 'split, products with cos and sin of a table, concat',
    passes: { forward: { bytes: 2 * bytesOf([32, 128, 8, 64]) } },
  },
  ...[
    { batch: 8, length: 128, heads: 4, headSize: 64 },
    { batch: 1, length: 1024, heads: 4, headSize: 64 },
  ].map(({ batch, length, heads, headSize }): Operation => {
    const width = 3 * heads * headSize;
    const pairs = (batch * heads * length * (length + 1)) / 2;
    return {
      subject: 'causalAttention',
      shape: `${batch} x ${length} tokens, ${heads} heads of ${headSize}`,
      detail:
        'softmax of the products of queries with the keys before them, times the values; counted are visible pairs',
      inputs: (rng) => ({ variables: [numbers([batch * length, width], rng, 2)] }),
      ours: ([qkv]) => causalAttention(qkv as tf.Tensor2D, { heads, length }),
      plain: ([qkv]) => plainAttention(qkv as tf.Tensor2D, batch, length, heads, headSize),
      formulation: 'reshape, transpose, matMul, a mask of -1e9, softmax, matMul, transpose',
      passes: {
        forward: { flop: 4 * pairs * headSize },
        'forward + backward': { flop: 12 * pairs * headSize },
      },
    };
  }),
];

function plainRotary(x: tf.Tensor4D, theta: number): tf.Tensor {
  const [, length, , size] = x.shape;
  const half = size / 2;
  const angles = tf.mul(
    tf.reshape(tf.range(0, length), [length, 1, 1]),
    tf.pow(theta, tf.div(tf.reshape(tf.range(0, half), [1, 1, half]), -half)),
  );
  const [cos, sin] = [tf.cos(angles), tf.sin(angles)];
  const [a, b] = tf.split(x, 2, 3) as [tf.Tensor, tf.Tensor];
  return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(b, cos), tf.mul(a, sin))], 3);
}

function plainAttention(qkv: tf.Tensor2D, batch: number, length: number, heads: number, headSize: number): tf.Tensor {
  const parts = tf.split(qkv, 3, 1).map((part) => {
    const byToken = tf.reshape(part, [batch, length, heads, headSize]);
    return tf.transpose(byToken, [0, 2, 1, 3]);
  });
  const [q, k, v] = parts as [tf.Tensor, tf.Tensor, tf.Tensor];
  const positions = tf.range(0, length);
  const future = tf.greater(tf.reshape(positions, [1, length]), tf.reshape(positions, [length, 1]));
  const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(headSize));
  const shares = tf.softmax(tf.add(scores, tf.mul(tf.cast(future, 'float32'), -1e9)));
  const byHead = tf.matMul(shares, v);
  return tf.reshape(tf.transpose(byHead, [0, 2, 1, 3]), [batch * length, heads * headSize]);
}
