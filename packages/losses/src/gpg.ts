import { type Aggregate, type Loss, tokenMean } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { policyGradient, type ReinforceInputs } from './policy-gradient.js';
import { reinforceEntry } from './reinforce.js';

/** Options of `gpg`. */
export interface GpgOptions {
  /** How the losses of tokens become one; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/**
 * The loss of group policy gradient: `reinforce` as a mean over tokens,
 *
 *   loss = agg(−A · logProbs),  gradient −A in logProbs before aggregation
 *
 * on the advantages of its own estimator, which hold its correction α for groups without variance. No ratio, no clip,
 * no reference, so strictly one step per batch of samples.
 *
 * Differences: verl's `gpg` multiplies by its rollout weights where they are given: `tokenWeighted`.
 *
 * Metric: `logProb`, the mean over the mask.
 *
 * @throws ShapeError when called
 * @see Chu et al. 2025, arXiv:2504.02546, equation 8
 */
export function gpg({ aggregate = tokenMean }: GpgOptions = {}): Loss<ReinforceInputs> {
  return policyGradient('gpg', aggregate);
}

export const gpgEntry: LossEntry<ReinforceInputs> = {
  ...reinforceEntry,
  name: 'gpg',
  citation: 'arXiv:2504.02546',
  evaluate: gpg(),
  build: (aggregate) => gpg({ aggregate }),
};
