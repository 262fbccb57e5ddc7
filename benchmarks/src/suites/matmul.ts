import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import type { Case } from '../measure.js';

interface Product {
  readonly batch: number;
  readonly size: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Square products, alone and in a batch, with every transposition that a forward or backward pass asks for. */
export const matmul: readonly Case[] = [
  ...[256, 512, 1024].flatMap((size) => transpositions({ batch: 1, size })),
  ...transpositions({ batch: 64, size: 64 }),
].map(asCase);

function transpositions({ batch, size }: Pick<Product, 'batch' | 'size'>): Product[] {
  return [
    { batch, size, transposeA: false, transposeB: false },
    { batch, size, transposeA: false, transposeB: true },
    { batch, size, transposeA: true, transposeB: false },
  ];
}

function asCase({ batch, size, transposeA, transposeB }: Product): Case {
  const shape = batch === 1 ? [size, size] : [batch, size, size];
  const flags = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`;
  return {
    name: `matmul/${flags}/${shape.join('x')}`,
    detail: `[${shape}] times [${shape}], ${flags}, float32`,
    flop: 2 * batch * size ** 3,
    iterations: size >= 1024 ? 1 : 3,
    prepare() {
      const rng = createRng(0);
      const random = (): tf.Tensor =>
        tf.tensor(
          Float32Array.from({ length: batch * size * size }, () => rng.normal()),
          shape,
        );
      const [a, b] = [random(), random()];
      return {
        async run() {
          const product = tf.matMul(a, b, transposeA, transposeB);
          const values = await product.data();
          product.dispose();
          return values.subarray(0, 1000);
        },
        dispose: () => tf.dispose([a, b]),
      };
    },
  };
}
