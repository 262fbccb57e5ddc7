import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { fromHidden } from '@tsrl/losses';
import { selectiveLogSoftmax } from '@tsrl/tensor';
import type { PeerCase } from './compare-peers.js';
import { near, normals, ones, tokenIds } from './inputs.js';
import { take } from './log-probs.js';
import { ppoWithEntropy } from './objectives.js';
import { entropyCoefficient } from './token-loss.js';

/** The output projection and the loss behind it, with both gradients: here in chunks, there with all logits at once. */
export function outputLayer(batch: number, length: number, size: number, vocabulary: number): PeerCase {
  const tokens = [batch, length] as const;
  return {
    subject: 'output layer and PPO loss',
    variant: `T ${batch * length}, d ${size}, V ${vocabulary}, forward + backward`,
    detail:
      'hidden states times the output projection, clipped surrogate with entropy bonus, gradients in both; ' +
      'tsrl never holds more than a chunk of the logits, torch holds all of them',
    work: { tokens: batch * length, flop: 3 * 2 * batch * length * size * vocabulary },
    task: 'output_layer',
    options: { coefficient: entropyCoefficient },
    formulations: [{ name: 'torch eager', formulation: 'eager', settings: 'linear, log_softmax, gather, autograd' }],
    settings: 'fromHidden(objective({ ... })) of @tsrl/losses under tf.valueAndGrads on wasm',
    allocators: ['default', 'tuned'],
    async prepare() {
      const rng = createRng(0);
      const given = {
        hidden: normals([...tokens, size], rng),
        weight: normals([vocabulary, size], rng, 3 / Math.sqrt(size)),
        ids: tokenIds(tokens, vocabulary, rng),
      };
      const hidden = tf.tensor3d(given.hidden.data, [...tokens, size]);
      const weight = tf.tensor2d(given.weight.data, [vocabulary, size]);
      const ids = tf.tensor2d(given.ids.data, [...tokens], 'int32');
      const now = tf.tidy(() => {
        const logits = tf.matMul(tf.reshape(hidden, [batch * length, size]), weight, false, true);
        return selectiveLogSoftmax(tf.reshape<tf.Rank.R3>(logits, [...tokens, vocabulary]), ids);
      });
      const old = near({ data: await take(now), shape: tokens }, rng, 0.2);
      const inputs = { ...given, oldLogProbs: old, advantages: normals(tokens, rng), mask: ones(tokens) };
      const grid = (data: Float32Array): tf.Tensor2D => tf.tensor2d(data, [...tokens]);
      const rest = {
        ids,
        oldLogProbs: grid(inputs.oldLogProbs.data),
        advantages: grid(inputs.advantages.data),
        mask: grid(inputs.mask.data),
      };
      const loss = fromHidden(ppoWithEntropy(entropyCoefficient));
      const both = tf.valueAndGrads(
        (h: tf.Tensor, w: tf.Tensor) => loss({ hidden: h as tf.Tensor3D, weight: w as tf.Tensor2D, ...rest }).loss,
      );
      return {
        inputs,
        run() {
          const { value, grads } = both([hidden, weight]);
          tf.dispose([value, grads]);
        },
        async results() {
          const { value, grads } = both([hidden, weight]);
          const [hiddenGradient, weightGradient] = grads as [tf.Tensor, tf.Tensor];
          return {
            loss: await take(value),
            hiddenGradient: await take(hiddenGradient),
            weightGradient: await take(weightGradient),
          };
        },
        dispose: () => tf.dispose([hidden, weight, rest] as tf.TensorContainer),
      };
    },
  };
}
