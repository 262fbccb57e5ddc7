import * as tf from '@tensorflow/tfjs-core';
import { bytesOf, numbers, type Operation } from './operation.js';

interface Product {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly batch?: number;
  readonly seconds?: number;
}

const transpositions = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;

const products: readonly Product[] = [
  { m: 512, k: 512, n: 512, seconds: 3 },
  // A wide layer, and the products inside attention.
  { m: 512, k: 256, n: 1024, seconds: 3 },
  { m: 128, k: 64, n: 128, batch: 32, seconds: 2 },
];

/** Matrix products as forward (NN, NT) and backward passes (NT, TN) ask for them. */
export const matMul: readonly Operation[] = products.flatMap(({ m, k, n, batch, seconds = 3 }) =>
  transpositions.map(([transposeA, transposeB]): Operation => {
    const lead = batch === undefined ? [] : [batch];
    const a = [...lead, ...(transposeA ? [k, m] : [m, k])];
    const b = [...lead, ...(transposeB ? [n, k] : [k, n])];
    const flags = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`;
    return {
      subject: 'matMul',
      shape: `${flags} ${batch === undefined ? '' : `${batch} x `}[${m}, ${k}] [${k}, ${n}]`,
      detail: 'matrix product; T: the operand lies transposed in memory',
      inputs: (rng) => ({ variables: [numbers(a, rng), numbers(b, rng)] }),
      ours: ([x, y]) => tf.matMul(x as tf.Tensor, y as tf.Tensor, transposeA, transposeB),
      formulation: 'matMul(a, b, transposeA, transposeB)',
      passes: { forward: { flop: 2 * (batch ?? 1) * m * k * n, bytes: bytesOf(a, b, [...lead, m, n]) } },
      seconds,
    };
  }),
);
