import { OptionError, softplus } from '@tsrl/core';
import { type BinaryReward, type CappedOptions, capOf, scalePerClass } from './confidence.js';
import type { ConfidenceEntry } from './entry.js';

/** Options of {@link logScore}. */
export interface LogScoreOptions extends CappedOptions {
  /** o, positive: what a wrong action costs beyond the score, in nats. Default 1. */
  readonly offset?: number;
}

/**
 * The log score of the label, minus an offset for the wrong action:
 *
 *   r = κ w · (max(log π_old(y|x), −cap) − o · [a ≠ y]),   log π_old(y|x) = −softplus(−z_y)
 *
 * The score does not depend on the action, so alone it teaches nothing: the gap is κ w o, and the expected gradient
 * that of `constantReward` times o / 2. The cap holds the score only, which leaves the gap as it is.
 *
 * @throws OptionError for an offset that is not positive and finite, or another option out of range (see
 * {@link confidenceWeighted} and `cap`)
 */
export function logScore({
  offset = 1,
  cap = 5,
  kappa = 1,
  classWeights = [1, 1],
}: LogScoreOptions = {}): BinaryReward {
  if (!(offset > 0 && offset < Number.POSITIVE_INFINITY)) {
    throw new OptionError('logScore', 'offset', 'positive and finite', offset);
  }
  const most = capOf('logScore', cap);
  const scales = scalePerClass('logScore', kappa, classWeights);
  return ({ action, label, logit }) => {
    const score = -Math.min(softplus(label === 1 ? -logit : logit), most);
    return scales[label] * (action === label ? score : score - offset);
  };
}

export const logScoreEntry: ConfidenceEntry = {
  name: 'logScore',
  formula: 'κ w (log π_old(y) − o · [a ≠ y])',
  citation: 'variant of arXiv:2602.02708',
  laws: ['positive-gap'],
  create: logScore,
};
