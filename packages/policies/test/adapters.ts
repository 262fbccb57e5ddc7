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

/** The weights of the adapted model, W + (alpha / rank) B A, by plain loops; adapters stand among the weights. */
export function merged(weights: Weights, { rank, alpha }: { rank: number; alpha: number }): Weights {
  const all = { ...weights };
  for (const name of Object.keys(weights)) {
    if (!name.endsWith('.lora_A.weight')) continue;
    const module = name.slice(0, -'.lora_A.weight'.length);
    const [a, b] = [weights[name]!, weights[`${module}.lora_B.weight`]!];
    const width = a.length / rank;
    const w = weights[`${module}.weight`]!.slice();
    for (let i = 0; i < b.length / rank; i++) {
      for (let j = 0; j < width; j++) {
        for (let r = 0; r < rank; r++) w[i * width + j]! += (alpha / rank) * b[i * rank + r]! * a[r * width + j]!;
      }
    }
    all[`${module}.weight`] = w;
  }
  return all;
}

export const numbers = async (make: () => tf.Tensor): Promise<number[]> => {
  const tensor = tf.tidy(make);
  const data = [...(await tensor.data())];
  tensor.dispose();
  return data;
};
