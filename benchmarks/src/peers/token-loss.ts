import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { fromLogits } from '@tsrl/losses';
import { selectiveLogSoftmax } from '@tsrl/tensor';
import type { Formulation, PeerCase } from './compare-peers.js';
import { near, normals, ones, tokenIds } from './inputs.js';
import { take } from './log-probs.js';
import { ppo, ppoWithEntropy } from './objectives.js';

export const entropyCoefficient = 0.01;

const formulations: readonly Formulation[] = [
  { name: 'torch eager', formulation: 'eager', settings: 'log_softmax shared by log-prob and entropy, autograd' },
  { name: 'torch compile', formulation: 'compile', settings: 'the eager formula under torch.compile' },
  { name: 'TRL', formulation: 'trl', settings: 'selective_log_softmax, entropy_from_logits', needs: 'trl' },
  {
    name: 'verl',
    formulation: 'verl',
    settings: 'logprobs_from_logits, compute_policy_loss_vanilla, entropy_from_logits',
    needs: 'verl',
  },
];

/** The clipped loss of PPO from logits and its gradient in them, without or with an entropy bonus. */
export function tokenLoss(batch: number, length: number, vocabulary: number, entropy: boolean): PeerCase {
  const [tokens, shape] = [[batch, length] as const, [batch, length, vocabulary] as const];
  return {
    subject: entropy ? 'PPO loss with entropy bonus' : 'PPO loss',
    variant: `[${batch * length}, ${vocabulary}], forward + backward`,
    detail:
      `clipped surrogate from logits [${shape.join(', ')}]${entropy ? `, minus ${entropyCoefficient} times the ` : ''}` +
      `${entropy ? 'entropy' : ''}: the loss and its gradient in the logits; every token counts`,
    work: { tokens: batch * length, bytes: 2 * 4 * batch * length * vocabulary },
    task: 'token_loss',
    options: { coefficient: entropy ? entropyCoefficient : 0 },
    formulations,
    settings: 'fromLogits(objective({ ... })) of @tsrl/losses under tf.valueAndGrad on wasm',
    allocators: ['default', 'tuned'],
    async prepare() {
      const rng = createRng(0);
      const given = { logits: normals(shape, rng, 3), ids: tokenIds(tokens, vocabulary, rng) };
      const logits = tf.tensor3d(given.logits.data, [...shape]);
      const ids = tf.tensor2d(given.ids.data, [...tokens], 'int32');
      const now = await take(selectiveLogSoftmax(logits, ids));
      const inputs = {
        ...given,
        oldLogProbs: near({ data: now, shape: tokens }, rng, 0.2),
        advantages: normals(tokens, rng),
        mask: ones(tokens),
      };
      const grid = (data: Float32Array): tf.Tensor2D => tf.tensor2d(data, [...tokens]);
      const [oldLogProbs, advantages, mask] = [
        grid(inputs.oldLogProbs.data),
        grid(inputs.advantages.data),
        grid(inputs.mask.data),
      ];
      const rest = { ids, oldLogProbs, advantages, mask };
      const loss = entropy ? fromLogits(ppoWithEntropy(entropyCoefficient)) : fromLogits(ppo);
      const compute = tf.valueAndGrad((x) => loss({ logits: x as tf.Tensor3D, ...rest }).loss);
      return {
        inputs,
        run() {
          const { value, grad } = compute(logits);
          tf.dispose([value, grad]);
        },
        async results() {
          const { value, grad } = compute(logits);
          return { loss: await take(value), gradient: await take(grad) };
        },
        dispose: () => tf.dispose([logits, rest] as tf.TensorContainer),
      };
    },
  };
}
