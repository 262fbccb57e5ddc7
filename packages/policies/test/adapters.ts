import * as tf from '@tensorflow/tfjs-core';
import type { Rng } from '@tsrl/core';
import type { Lora } from '../src/index.ts';
import type { Weights } from './oracle.ts';

export const normals = (n: number, std: number, rng: Rng): Float64Array =>
  Float64Array.from({ length: n }, () => Math.fround(std * rng.normal()));

/** Gives A and B elements of order `std` that float32 holds, and tells them. */
export function stir(lora: Lora, rng: Rng, std = 0.5): Weights {
  return Object.fromEntries(
    [...lora.weights].map(([name, variable]) => {
      const data = normals(variable.size, std, rng);
      tf.tidy(() => variable.assign(tf.tensor(Float32Array.from(data), variable.shape)));
      return [name, data];
    }),
  );
}

export const numbers = async (make: () => tf.Tensor): Promise<number[]> => {
  const tensor = tf.tidy(make);
  const data = [...(await tensor.data())];
  tensor.dispose();
  return data;
};
