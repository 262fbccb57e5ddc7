import { type Moments, OptionError, runningMoments, type Tracker, varianceOf } from '@tsrl/core';
import { bySample, type Combine, type ComponentScores, expectWeights, weightsOf } from './composed.js';
import type { WeightOptions } from './weighted-sum.js';

/** Moments of each component. */
export type ComponentMoments = Readonly<Record<string, Moments>>;

/** Options of {@link componentMoments}. */
export interface ComponentMomentsOptions {
  /** A component that was seen this often is not observed any more. Default never. */
  readonly freezeAfter?: number;
}

/**
 * Running mean and variance of each component, over the scores that apply: what {@link standardizedSum} needs, and, of
 * one component, {@link rewardModel}.
 *
 * @throws OptionError unless `freezeAfter` is positive
 */
export function componentMoments({
  freezeAfter = Number.POSITIVE_INFINITY,
}: ComponentMomentsOptions = {}): Tracker<ComponentMoments, ComponentScores> {
  if (!(freezeAfter > 0)) throw new OptionError('componentMoments', 'freezeAfter', 'positive', freezeAfter);
  return {
    initial: {},
    update(state, scores) {
      const next = Object.entries(scores).map(([name, values]) => {
        const moments = state[name] ?? runningMoments.initial;
        if (moments.count >= freezeAfter) return [name, moments] as const;
        return [
          name,
          runningMoments.update(
            moments,
            values.filter((score) => score !== null),
          ),
        ] as const;
      });
      return { ...state, ...Object.fromEntries(next) };
    },
  };
}

/** (score − mean) / (std + epsilon), std with its sample variance; 0 while fewer than two, or only equal, were seen. */
export function standardize(score: number, moments: Moments | undefined, epsilon: number): number {
  const variance = moments === undefined ? 0 : varianceOf(moments);
  return moments === undefined || variance === 0 ? 0 : (score - moments.mean) / (Math.sqrt(variance) + epsilon);
}

/** Options of {@link standardizedSum}. */
export interface StandardizedSumOptions extends WeightOptions {
  /** From {@link componentMoments}. */
  readonly moments: ComponentMoments;
  /** Added to the standard deviation, at least 0. Default 1e-8. */
  readonly epsilon?: number;
}

/**
 * R = Σ w_m (r_m − μ_m) / (σ_m + ε) over the components that apply, μ and σ from the stream of scores so far; `null`
 * where none applies. No component dominates by its scale. A component of which fewer than two scores, or only equal
 * ones, were seen contributes 0.
 *
 * Standardising within the group instead, GDPO, is an advantage and lives in `@tsrl/advantages`.
 *
 * @throws OptionError for an ε that is negative or not finite, a weight that is not finite and, when it combines, for
 * one of no component
 */
export function standardizedSum({ moments, weights = {}, epsilon = 1e-8 }: StandardizedSumOptions): Combine {
  if (!(epsilon >= 0 && epsilon < Number.POSITIVE_INFINITY)) {
    throw new OptionError('standardizedSum', 'epsilon', 'a finite number of at least 0', epsilon);
  }
  expectWeights('standardizedSum', weights);
  return (scores) => {
    const names = Object.keys(scores);
    const of = weightsOf('standardizedSum', names, weights);
    return bySample(scores, (row) => {
      if (row.every((score) => score === null)) return null;
      return row.reduce<number>((sum, score, m) => {
        if (score === null) return sum;
        return sum + (of[m] as number) * standardize(score, moments[names[m] as string], epsilon);
      }, 0);
    });
  };
}
