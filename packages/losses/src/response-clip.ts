import * as tf from '@tensorflow/tfjs-core';
import { expectSameShape, expectShape, type Loss, maskedSum, type PerSequence, type PerToken } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawPolicyInputs, drawSequences } from './example.js';
import { expectClips } from './option-checks.js';
import type { RatioInputs } from './policy-inputs.js';
import { type PpoClipOptions, ppoClip } from './ppo-clip.js';
import { rowsWithTokens } from './sequence-ratio.js';

/** Options of `responseClip`: those of `ppoClip`; `aggregate` is given the losses of responses, [B, 1]. */
export type ResponseClipOptions = PpoClipOptions;

/** Inputs of `responseClip`. */
export interface ResponseClipInputs extends RatioInputs {
  /** One of each response, [B], constant. */
  readonly advantages: PerSequence;
}

/**
 * PPO's clipped surrogate with the whole response as the one action, mean over the responses:
 *
 *   ρ_i = exp(clamp(Σ_t m_it (logProbs_it − oldLogProbs_it), logRatioRange)),  loss = (1 / B₊) Σ_i −min(ρ_i A_i, clip(ρ_i) A_i)
 *
 * The ratio is the product over the tokens, where that of `gspo` is their geometric mean. Its gradient in logProbs is
 * −A_i ρ_i / B₊ at every token of a response that is not clipped: that of RLOO at π = π_old.
 *
 * Differences: TRL's `RLOOTrainer` is this with clips of 0.2 and does not clamp; it counts rows without a token (they
 * add −A_i), which B₊ leaves out.
 *
 * Metrics, over the responses: those of `ppoClip`.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Ahmadian et al. 2024, arXiv:2402.14740, for responses as actions; the clip is that of arXiv:1707.06347
 */
export function responseClip(options: ResponseClipOptions = {}): Loss<ResponseClipInputs> {
  expectClips('responseClip', options);
  const loss = ppoClip(options);
  return ({ logProbs, oldLogProbs, advantages, mask }, { step, sequences } = {}) => {
    expectShape('responseClip', 'logProbs', logProbs, ['B', 'T']);
    expectSameShape('responseClip', { logProbs, oldLogProbs, mask });
    expectShape('responseClip', 'advantages', advantages, [logProbs.shape[0]]);
    return tf.tidy(() => {
      const column = (x: tf.Tensor): PerToken => tf.reshape(x, [-1, 1]);
      const difference = column(maskedSum(tf.sub(logProbs, oldLogProbs), mask, { axis: 1 }));
      return {
        ...loss(
          {
            logProbs: difference,
            oldLogProbs: tf.zerosLike(difference),
            advantages: column(advantages),
            mask: column(rowsWithTokens(mask)),
          },
          { ...(step !== undefined && { step }), ...(sequences !== undefined && { sequences, tokens: sequences }) },
        ),
      };
    });
  };
}

export const responseClipEntry: LossEntry<ResponseClipInputs> = {
  name: 'responseClip',
  formula: '−min(ρ A, clip(ρ) A), ρ = Π_t π / π_old',
  citation: 'arXiv:2402.14740',
  per: 'token',
  differentiable: ['logProbs'],
  example(shape, rng) {
    const { advantages: perToken, ...inputs } = drawPolicyInputs(shape, rng);
    perToken.dispose();
    return { ...inputs, advantages: drawSequences(shape, () => rng.normal()) };
  },
  evaluate: responseClip(),
  variants: { 'dual clip': responseClip({ clipHigh: 0.28, dualClip: 3 }) },
};
