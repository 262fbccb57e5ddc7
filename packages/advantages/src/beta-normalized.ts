import { type Moments, OptionError, runningMoments } from '@tsrl/core';
import { inverseBetaDensity } from './beta.js';
import { type BetaNormalizer, betaNormalizer } from './beta-normalizer.js';
import { type GroupInputs, groupMetrics } from './group-relative.js';
import { ratesByGroup, ratesOfSeveral } from './rates-by-group.js';
import type { AdvantageResult } from './result.js';

/** Options of `bnpo`. */
export interface BnpoOptions {
  /** The rewards of complete failure and of complete success, which become 0 and 1. Default [0, 1]. */
  readonly range?: readonly [low: number, high: number];
  /**
   * α and β, both positive, or how to find them from the moments of the success rates. Default `betaNormalizer`; with
   * options of its own, `(moments) => betaNormalizer(moments, options)`.
   */
  readonly normalizer?: BetaNormalizer | ((moments: Moments) => BetaNormalizer);
  /** The largest weight 1 / f; positive and finite. Default 1e6; 10 is a tight one. */
  readonly maxWeight?: number;
}

/** Advantages per response and what they were measured against. */
export interface BnpoResult extends AdvantageResult<Float64Array> {
  /** p, the success rate of the response's prompt, in [0, 1], [B]; 0 for a prompt without rewards. */
  readonly baseline: Float64Array;
}

/** `bnpo` for a caller `who`, whose errors call the rewards `name`. */
export function betaNormalized(
  who: string,
  name: string,
  { rewards, groups }: GroupInputs,
  { range = [0, 1], normalizer = betaNormalizer, maxWeight = 1e6 }: BnpoOptions,
): BnpoResult {
  // An infinite weight times a difference of 0 is NaN.
  if (!(maxWeight > 0 && maxWeight < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'maxWeight', 'positive and finite', maxWeight);
  }
  const { moments, scores } = ratesByGroup(who, name, rewards, groups, range);
  const { initial, update } = runningMoments;
  const { alpha, beta } =
    typeof normalizer === 'function' ? normalizer(update(initial, ratesOfSeveral(moments))) : normalizer;
  for (const [parameter, value] of Object.entries({ alpha, beta })) {
    if (!(value > 0 && value < Number.POSITIVE_INFINITY)) {
      throw new OptionError(who, `${parameter} of the normalizer`, 'positive and finite', value);
    }
  }

  // At the rates 0 and 1 every score is the rate: the density is not asked.
  const weights = moments.means.map((p) => (p > 0 && p < 1 ? inverseBetaDensity(p, alpha, beta) : 0));
  const baseline = Float64Array.from(moments.index, (group) => moments.means[group] as number);
  const advantages = Float64Array.from(moments.index, (group, i) => {
    const weight = Math.min(weights[group] as number, maxWeight);
    return weight * ((scores[i] ?? (baseline[i] as number)) - (baseline[i] as number));
  });
  return {
    advantages,
    baseline,
    metrics: {
      ...groupMetrics(moments),
      alpha,
      beta,
      unnormalized: alpha === 1 && beta === 1 ? 1 : 0,
      clampedGroups: weights.filter((weight) => weight > maxWeight).length,
    },
  };
}
