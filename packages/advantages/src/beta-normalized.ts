import { type Moments, OptionError, runningMoments } from '@tsrl/core';
import { inverseBetaDensity } from './beta.js';
import { type BetaNormalizer, betaNormalizer } from './beta-normalizer.js';
import { ofSeveral, ratesByGroup } from './rates-by-group.js';
import type { AdvantageResult } from './result.js';

/** Inputs of `bnpo`. */
export interface BnpoInputs {
  /** One per response, [B]; `null` where none applies. */
  readonly rewards: ArrayLike<number | null>;
  /** Which prompt each response answers, [B]; any ids, in any order. */
  readonly groups: ArrayLike<number | string>;
}

/** Options of `bnpo`. */
export interface BnpoOptions {
  /** The rewards of complete failure and of complete success, which become 0 and 1. Default [0, 1]. */
  readonly range?: readonly [low: number, high: number];
  /**
   * α and β, both positive, or how to find them from the moments of the success rates. Default `betaNormalizer`; with
   * options of its own, `(moments) => betaNormalizer(moments, options)`.
   */
  readonly normalizer?: BetaNormalizer | ((moments: Moments) => BetaNormalizer);
  /** The largest weight 1 / f; positive. Default 1e6; 10 is a tight one. */
  readonly maxWeight?: number;
}

/** Advantages per response and what they were measured against. */
export interface BnpoResult extends AdvantageResult<Float64Array> {
  /** p, the success rate of the response's prompt, in [0, 1], [B]. */
  readonly baseline: Float64Array;
}

/** `bnpo` for a caller `who`, whose errors call the rewards `name`. */
export function betaNormalized(
  who: string,
  name: string,
  { rewards, groups }: BnpoInputs,
  { range = [0, 1], normalizer = betaNormalizer, maxWeight = 1e6 }: BnpoOptions,
): BnpoResult {
  if (!(maxWeight > 0)) throw new OptionError(who, 'maxWeight', 'positive', maxWeight);
  const byGroup = ratesByGroup(who, name, rewards, groups, range);
  const several = ofSeveral(byGroup);
  const { initial, update } = runningMoments;
  const { alpha, beta } = typeof normalizer === 'function' ? normalizer(update(initial, several)) : normalizer;
  for (const [parameter, value] of Object.entries({ alpha, beta })) {
    if (!(value > 0 && value < Number.POSITIVE_INFINITY)) {
      throw new OptionError(who, `${parameter} of the normalizer`, 'positive and finite', value);
    }
  }

  // At the rates 0 and 1 every score is the rate: the density is not asked.
  const { rates, at, scores } = byGroup;
  const inside = (rate: number): boolean => rate > 0 && rate < 1;
  const densities = rates.map((rate) => (inside(rate) ? inverseBetaDensity(rate, alpha, beta) : 0));
  const weights = densities.map((weight) => Math.min(weight, maxWeight));
  const baseline = Float64Array.from(at, (group) => rates[group] as number);
  return {
    advantages: scores.map((score, i) => (weights[at[i] as number] as number) * (score - (baseline[i] as number))),
    baseline,
    metrics: {
      alpha,
      beta,
      unnormalized: alpha === 1 && beta === 1 ? 1 : 0,
      singletonGroups: rates.length - several.length,
      uniformGroups: several.filter((rate) => !inside(rate)).length,
      clampedGroups: densities.filter((weight) => weight > maxWeight).length,
    },
  };
}
