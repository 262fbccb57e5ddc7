import * as tf from '@tensorflow/tfjs-core';
import {
  type Aggregate,
  expectSameShape,
  expectShape,
  type Loss,
  maskedMean,
  stopGradient,
  tokenMean,
  zeroMasked,
} from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawMask, drawTokens } from './example.js';
import type { TokenInputs } from './token-inputs.js';
import { withTokenTerms } from './token-terms.js';

/** Options of `negativeLogLikelihood`. */
export interface NegativeLogLikelihoodOptions {
  /** How the losses of tokens become one number; default `tokenMean`, as in Hugging Face's models and trainers. */
  readonly aggregate?: Aggregate;
}

/**
 * Supervised fine-tuning: loss = agg(−logProbs), the cross-entropy of the tokens that the mask counts.
 *
 * Behind logits it is `fromLogits(negativeLogLikelihood())`, behind hidden states `fromHidden(…)`. Metric: `logProb`,
 * the mean over the mask; the perplexity is exp of minus that.
 *
 * @throws ShapeError when called
 * @see Ouyang et al. 2022, arXiv:2203.02155, section 3.1
 */
export function negativeLogLikelihood({ aggregate = tokenMean }: NegativeLogLikelihoodOptions = {}): Loss<TokenInputs> {
  const loss: Loss<TokenInputs> = ({ logProbs, mask }, context = {}) => {
    expectShape('negativeLogLikelihood', 'logProbs', logProbs, ['B', 'T']);
    expectSameShape('negativeLogLikelihood', { logProbs, mask });
    return tf.tidy(() => {
      const counted = zeroMasked(logProbs, mask);
      return {
        loss: tf.neg(aggregate(counted, mask, context)),
        metrics: { logProb: maskedMean(stopGradient(counted), mask) },
      };
    });
  };
  return withTokenTerms(loss, () => [{ of: 'logProbs', inputs: [], slope: () => -1, aggregate }]);
}

export const negativeLogLikelihoodEntry: LossEntry<TokenInputs> = {
  name: 'negativeLogLikelihood',
  formula: '−log π',
  citation: 'arXiv:2203.02155',
  per: 'token',
  differentiable: ['logProbs'],
  example: (shape, rng) => ({ logProbs: drawTokens(shape, drawLogProb(rng)), mask: drawMask(shape, rng) }),
  evaluate: negativeLogLikelihood(),
  build: (aggregate) => negativeLogLikelihood({ aggregate }),
};
