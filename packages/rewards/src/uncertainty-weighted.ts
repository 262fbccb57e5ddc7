import { OptionError } from '@tsrl/core';
import { bySample, type Combine } from './composed.js';

/** Options of {@link uncertaintyWeighted}. */
export interface UncertaintyWeightedOptions {
  /** λ, at least 0. The paper has 0.5 for best-of-N and 0.1 for PPO. Default 0.1. */
  readonly lambda?: number;
}

/**
 * Of an ensemble of reward models: R = mean − λ · variance (population) of the scores that apply, so that a completion
 * on which they disagree earns less; `null` where none applies.
 *
 * @throws OptionError for a λ that is negative or not finite
 * @see Coste et al. 2023, arXiv:2310.02743, equation 4
 */
export function uncertaintyWeighted({ lambda = 0.1 }: UncertaintyWeightedOptions = {}): Combine {
  if (!(lambda >= 0 && lambda < Number.POSITIVE_INFINITY)) {
    throw new OptionError('uncertaintyWeighted', 'lambda', 'a finite number of at least 0', lambda);
  }
  return (scores) =>
    bySample(scores, (row) => {
      const applying = row.filter((score) => score !== null);
      if (applying.length === 0) return null;
      const mean = applying.reduce((sum, score) => sum + score, 0) / applying.length;
      const variance = applying.reduce((sum, score) => sum + (score - mean) ** 2, 0) / applying.length;
      return mean - lambda * variance;
    });
}
