import { type Aggregate, type Loss, sequenceSum } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawMask, drawTokens } from './example.js';
import { policyGradient, type ReinforceInputs } from './policy-gradient.js';

export type { ReinforceInputs };

/** Options of `reinforce`. */
export interface ReinforceOptions {
  /** How the losses of tokens become one; default `sequenceSum`, which makes it the log-prob of whole responses. */
  readonly aggregate?: Aggregate;
}

/**
 * The policy gradient itself:
 *
 *   loss = agg(−A · logProbs),  gradient −A in logProbs before aggregation
 *
 * Strictly for tokens that this very policy sampled: nothing compares it with another. For tokens of an older policy or
 * of another engine, weigh the tokens, as verl does in its bypass mode:
 *
 *   tokenWeighted((aggregate) => reinforce({ aggregate }))
 *
 * with `tokenWeights` of the ratio of this policy to that one (`importanceWeights`, or `rolloutWeights` of advantages);
 * `cispo` is the same with weights of single tokens, which it computes itself.
 *
 * Differences: verl's default aggregation is `tokenMean`.
 *
 * Metric: `logProb`, the mean over the mask.
 *
 * @throws ShapeError when called
 * @see Williams 1992; for responses as one action Ahmadian et al. 2024, arXiv:2402.14740
 */
export function reinforce({ aggregate = sequenceSum }: ReinforceOptions = {}): Loss<ReinforceInputs> {
  return policyGradient('reinforce', aggregate);
}

export const reinforceEntry: LossEntry<ReinforceInputs> = {
  name: 'reinforce',
  formula: '−A log π',
  citation: 'arXiv:2402.14740',
  per: 'token',
  differentiable: ['logProbs'],
  example: (shape, rng) => ({
    logProbs: drawTokens(shape, drawLogProb(rng)),
    advantages: drawTokens(shape, () => rng.normal()),
    mask: drawMask(shape, rng),
  }),
  evaluate: reinforce(),
  build: (aggregate) => reinforce({ aggregate }),
};
