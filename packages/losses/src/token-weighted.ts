import * as tf from '@tensorflow/tfjs-core';
import {
  type Aggregate,
  expectSameShape,
  type Loss,
  maskedMean,
  type PerToken,
  stopGradient,
  tokenMean,
  zeroMasked,
} from '@tsrl/tensor';
import type { TokenInputs } from './token-inputs.js';
import { tokenTermsOf, withTokenTerms } from './token-terms.js';

/** Options of `tokenWeighted`. */
export interface TokenWeightedOptions {
  /** How the weighted losses of tokens become one; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/** What a weighted loss needs besides its own inputs. */
export interface TokenWeights {
  /** [B, T], constant; any numbers. */
  readonly tokenWeights: PerToken;
}

/**
 * A loss over tokens, the loss of each token multiplied by a weight before they are aggregated:
 *
 *   loss = agg(w · f),  f the losses of the tokens
 *
 * Unlike a mask, the weights leave the denominators of the aggregation as they are. They are the importance weights of
 * rollout correction (of advantages' estimators), or the 0 and 1 of `highEntropyMask`, where the mean is to stay one
 * over all tokens, as in "Beyond the 80/20 Rule" and TRL; for a mean over the chosen tokens alone, multiply the mask.
 *
 *   tokenWeighted((aggregate) => ppoClip({ clipHigh: 0.28, aggregate }), { aggregate: sequenceMean })
 *
 * Differences: verl and TRL multiply these losses where `rollout_is_weights` or an importance ratio are given.
 *
 * Metrics: those of the loss, unweighted, and `weightMean` over the mask.
 *
 * @param build the loss for an aggregation, which it must use for the losses of its tokens
 * @throws ShapeError when called, and what the loss throws
 * @see Yao et al. 2025 (truncated importance sampling for rollouts); Wang et al. 2025, arXiv:2506.01939
 */
export function tokenWeighted<Inputs extends Pick<TokenInputs, 'mask'>>(
  build: (aggregate: Aggregate) => Loss<Inputs>,
  { aggregate = tokenMean }: TokenWeightedOptions = {},
): Loss<Inputs & TokenWeights> {
  const loss: Loss<Inputs & TokenWeights> = (inputs, context = {}) => {
    const { mask, tokenWeights } = inputs;
    expectSameShape('tokenWeighted', { mask, tokenWeights });
    return tf.tidy(() => {
      const weights = stopGradient(zeroMasked(tokenWeights, mask));
      const weighted: Aggregate = (perToken, counted, at) => aggregate(tf.mul(perToken, weights), counted, at);
      const { loss: total, metrics } = build(weighted)(inputs, context);
      return { loss: total, metrics: { ...metrics, weightMean: maskedMean(weights, mask) } };
    });
  };
  // A function of its own tells the terms that were built with it from those that bring the same aggregation themselves.
  const marker: Aggregate = (perToken, mask, at) => aggregate(perToken, mask, at);
  const terms = tokenTermsOf(build(marker));
  if (!terms) return loss;
  return withTokenTerms(loss, (context) =>
    terms(context).map((term) => {
      if (term.aggregate !== marker) return term;
      const at = term.inputs.length;
      return {
        ...term,
        aggregate,
        inputs: [...term.inputs, 'tokenWeights'],
        slope: (x, values, from) => (values[from + at] as number) * term.slope(x, values, from),
      };
    }),
  );
}
