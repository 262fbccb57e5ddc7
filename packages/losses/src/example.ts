import * as tf from '@tensorflow/tfjs-core';
import type { Rng } from '@tsrl/core';
import type { PerSequence, PerToken } from '@tsrl/tensor';
import type { ExampleShape } from './entry.js';
import type { PolicyInputs } from './policy-inputs.js';

/** [B, T] of independent draws. */
export function drawTokens({ sequences, tokens }: ExampleShape, draw: () => number): PerToken {
  return tf.tensor2d(Float32Array.from({ length: sequences * tokens }, draw), [sequences, tokens]);
}

/** [B] of independent draws. */
export function drawSequences({ sequences }: ExampleShape, draw: () => number): PerSequence {
  return tf.tensor1d(Float32Array.from({ length: sequences }, draw));
}

/** A log-probability between −3 and 0. */
export const drawLogProb = (rng: Rng) => (): number => -3 * rng.uniform();

/** A mask with a random number of tokens in every row, at least one, the rest padding on the right. */
export function drawMask({ sequences, tokens }: ExampleShape, rng: Rng): PerToken {
  const data = new Float32Array(sequences * tokens);
  for (let i = 0; i < sequences; i++) {
    data.fill(1, i * tokens, i * tokens + 1 + Math.floor(rng.uniform() * tokens));
  }
  return tf.tensor2d(data, [sequences, tokens]);
}

/** Log-probs of two policies, advantages and a mask. */
export const drawPolicyInputs = (shape: ExampleShape, rng: Rng): PolicyInputs => ({
  logProbs: drawTokens(shape, drawLogProb(rng)),
  oldLogProbs: drawTokens(shape, drawLogProb(rng)),
  advantages: drawTokens(shape, () => rng.normal()),
  mask: drawMask(shape, rng),
});
