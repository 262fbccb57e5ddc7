import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { selectiveLogSoftmax } from '@tsrl/tensor';
import type { Formulation, PeerCase } from './compare-peers.js';
import { normals, tokenIds } from './inputs.js';

const formulations: readonly Formulation[] = [
  { name: 'torch eager', formulation: 'eager', settings: 'log_softmax, gather' },
  { name: 'torch compile', formulation: 'compile', settings: 'log_softmax, gather under torch.compile' },
  { name: 'TRL', formulation: 'trl', settings: 'selective_log_softmax', needs: 'trl' },
  { name: 'verl', formulation: 'verl', settings: 'logprobs_from_logits', needs: 'verl' },
];

/** The log-prob of each chosen token, no gradient. */
export function logProbs(batch: number, length: number, vocabulary: number): PeerCase {
  const shape = [batch, length, vocabulary] as const;
  return {
    subject: 'selectiveLogSoftmax',
    variant: `[${batch * length}, ${vocabulary}], forward`,
    detail: `log-probability of one chosen token in each row of logits, [${shape.join(', ')}]`,
    work: { tokens: batch * length, bytes: 4 * batch * length * vocabulary },
    task: 'log_probs',
    options: {},
    formulations,
    settings: 'selectiveLogSoftmax of @tsrl/tensor on wasm',
    allocators: ['default', 'tuned'],
    prepare() {
      const rng = createRng(0);
      const inputs = { logits: normals(shape, rng, 3), ids: tokenIds([batch, length], vocabulary, rng) };
      const logits = tf.tensor3d(inputs.logits.data, [...shape]);
      const ids = tf.tensor2d(inputs.ids.data, [batch, length], 'int32');
      return {
        inputs,
        run: () => tf.dispose(selectiveLogSoftmax(logits, ids)),
        results: async () => ({ logProbs: await take(selectiveLogSoftmax(logits, ids)) }),
        dispose: () => tf.dispose([logits, ids]),
      };
    },
  };
}

/** The numbers of a tensor, which is freed. */
export async function take(tensor: tf.Tensor): Promise<Float32Array> {
  const values = (await tensor.data<'float32'>()).slice();
  tensor.dispose();
  return values;
}
