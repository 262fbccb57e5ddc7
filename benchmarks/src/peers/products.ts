import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import type { PeerCase } from './compare-peers.js';
import { normals } from './inputs.js';
import { take } from './log-probs.js';

/** A square product; T: the operand lies transposed in memory. */
export function product(size: number, transposeA: boolean, transposeB: boolean): PeerCase {
  const flags = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`;
  return {
    subject: 'matMul',
    variant: `${flags} [${size}, ${size}] [${size}, ${size}]`,
    detail: 'matrix product; T: the operand lies transposed in memory',
    work: { flop: 2 * size ** 3, bytes: 3 * 4 * size ** 2 },
    task: 'product',
    options: { transposeA, transposeB },
    formulations: [{ name: 'torch eager', formulation: 'mm', settings: 'mm' }],
    settings: 'tf.matMul on wasm with the kernels of @tsrl/kernels',
    prepare() {
      const rng = createRng(0);
      const inputs = { a: normals([size, size], rng), b: normals([size, size], rng) };
      const a = tf.tensor2d(inputs.a.data, [size, size]);
      const b = tf.tensor2d(inputs.b.data, [size, size]);
      const compute = (): tf.Tensor => tf.matMul(a, b, transposeA, transposeB);
      return {
        inputs,
        run: () => tf.dispose(compute()),
        results: async () => ({ product: await take(compute()) }),
        dispose: () => tf.dispose([a, b]),
      };
    },
  };
}
