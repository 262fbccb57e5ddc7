import * as tf from '@tensorflow/tfjs-core';
import { linear } from '@tsrl/core';
import { entropyBonus, fromLogits, kl, objective, ppoClip, scale, type TokenInputs } from '@tsrl/losses';
import * as tensor from '@tsrl/tensor';

/** A sum of named terms is a loss; it needs what its terms need. */
export const loss = objective({
  policy: ppoClip({ clipLow: 0.2, clipHigh: 0.28, aggregate: tensor.sequenceMean }),
  kl: scale(linear(0.05, 0.01, 1_000), kl()),
  entropy: scale(0.001, entropyBonus()),
  certainty: scale(0.01, ({ logProbs, mask }: TokenInputs) => ({
    loss: tensor.tokenMean(tf.square<tensor.PerToken>(logProbs), mask),
    metrics: {},
  })),
});

/** A batch as sampling left it: constants, [B, T]. */
export type Batch = Record<'tokens' | 'oldLogProbs' | 'refLogProbs' | 'advantages' | 'mask', tensor.PerToken>;

/** Loss, metrics and gradients of one step; `logits` [B, T, V] stands in for a model. */
export function evaluate(
  logits: tf.Variable<tf.Rank.R3>,
  { tokens, ...batch }: Batch,
  step: number,
): tensor.ValueAndGrads {
  return tensor.valueAndGrads(() => fromLogits(loss)({ ...batch, logits, ids: tokens }, { step }), [logits]);
}
