import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { kl } from '@tsrl/losses';
import type { PeerCase } from './compare-peers.js';
import { near, normals, ones } from './inputs.js';
import { take } from './log-probs.js';

/** The k3 loss from log-probs and its gradient: a few small operations, where overhead is what is measured. */
export function klLoss(batch: number, length: number): PeerCase {
  const shape = [batch, length] as const;
  return {
    subject: 'KL loss',
    variant: `k3, [${batch}, ${length}], forward + backward`,
    detail: 'mean k3 estimate of the divergence from a reference, from log-probs, and its gradient',
    work: { tokens: batch * length },
    task: 'kl',
    options: {},
    formulations: [
      { name: 'torch eager', formulation: 'eager', settings: 'exp(r − l) − (r − l) − 1, autograd' },
      { name: 'verl', formulation: 'verl', settings: 'kl_penalty with low_var_kl, autograd', needs: 'verl' },
    ],
    settings: 'kl() of @tsrl/losses, with its metric, under tf.valueAndGrad on wasm',
    prepare() {
      const rng = createRng(0);
      const logProbs = normals(shape, rng);
      const inputs = { logProbs, refLogProbs: near(logProbs, rng, 0.2), mask: ones(shape) };
      const x = tf.tensor2d(logProbs.data, [...shape]);
      const refLogProbs = tf.tensor2d(inputs.refLogProbs.data, [...shape]);
      const mask = tf.tensor2d(inputs.mask.data, [...shape]);
      const loss = kl();
      const compute = tf.valueAndGrad((l) => loss({ logProbs: l as tf.Tensor2D, refLogProbs, mask }).loss);
      return {
        inputs,
        run() {
          const { value, grad } = compute(x);
          tf.dispose([value, grad]);
        },
        async results() {
          const { value, grad } = compute(x);
          return { loss: await take(value), gradient: await take(grad) };
        },
        dispose: () => tf.dispose([x, refLogProbs, mask]),
      };
    },
  };
}
