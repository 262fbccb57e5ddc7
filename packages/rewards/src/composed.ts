import { DataError, OptionError, ShapeError } from '@tsrl/core';
import type { Reward, Scores } from './reward.js';

/** Rewards by name. */
export type Rewards = Readonly<Record<string, Reward<never>>>;

/** What all rewards need of a sample together. */
export type SampleOf<R extends Rewards> = {
  [Name in keyof R]: R[Name] extends Reward<infer Sample> ? (sample: Sample) => void : never;
}[keyof R] extends (sample: infer All) => void
  ? All
  : never;

/** The scores of several rewards for the same samples, by name. */
export type ComponentScores<Name extends string = string> = Readonly<Record<Name, Scores>>;

/** Makes one score of several, sample by sample. */
export type Combine<Name extends string = string, Sample = unknown> = (
  scores: ComponentScores<Name>,
  samples: readonly Sample[],
) => Scores;

/**
 * Scores samples with several rewards at once, hooks side by side.
 *
 * @throws ShapeError when a reward gives another number of scores than there are samples, DataError when a score is
 * neither finite nor null
 */
export async function scoreComponents<const R extends Rewards>(
  rewards: R,
  samples: readonly SampleOf<R>[],
): Promise<ComponentScores<keyof R & string>> {
  const scored = await Promise.all(
    (Object.entries<Reward<never>>(rewards) as [string, Reward<SampleOf<R>>][]).map(
      async ([name, reward]) => [name, checked(name, await reward(samples), samples.length)] as const,
    ),
  );
  return Object.fromEntries(scored) as Record<keyof R & string, Scores>;
}

function checked(name: string, scores: Scores, samples: number): Scores {
  if (scores.length !== samples) {
    throw new ShapeError('scoreComponents', `the scores of ${name}`, `one per sample, ${samples}`, `${scores.length}`);
  }
  scores.forEach((score, i) => {
    if (score !== null && !Number.isFinite(score)) {
      throw new DataError(
        'scoreComponents',
        `${name} must score sample ${i} with a finite number or null; got ${score}`,
      );
    }
  });
  return scores;
}

/**
 * A reward made of rewards:
 *
 *   composed({ accuracy: numericMatch(), format: thinkFormat() }, weightedSum({ weights: { format: 0.1 } }))
 *
 * Compositions are rewards and may be components. Its sample has the columns of all components, and those that
 * `combine` reads. Score with {@link scoreComponents} and combine by hand where the components are wanted too, for
 * {@link rewardDiagnostics}.
 *
 * @throws OptionError when built without components
 */
export function composed<const R extends Rewards, Sample = unknown>(
  rewards: R,
  combine: Combine<keyof R & string, Sample>,
): Reward<SampleOf<R> & Sample> {
  if (Object.keys(rewards).length === 0) throw new OptionError('composed', 'rewards', 'at least one reward', rewards);
  return async (samples) => combine(await scoreComponents(rewards, samples), samples);
}

/** Throws an OptionError unless every weight is finite. */
export function expectWeights(who: string, weights: Readonly<Record<string, number>>): void {
  for (const [name, weight] of Object.entries(weights)) {
    if (!Number.isFinite(weight)) throw new OptionError(who, `weights.${name}`, 'finite', weight);
  }
}

/**
 * The weight of each component, 1 unless given.
 *
 * @throws OptionError for a weight of no component
 */
export function weightsOf(
  who: string,
  names: readonly string[],
  weights: Readonly<Record<string, number>>,
): readonly number[] {
  for (const name of Object.keys(weights)) {
    if (!names.includes(name)) throw new OptionError(who, 'weights', `for ${names.join(', ')}`, name);
  }
  return names.map((name) => weights[name] ?? 1);
}

/** One score from the components of each sample. */
export function bySample(
  scores: ComponentScores,
  combine: (row: readonly (number | null)[], sample: number) => number | null,
): Scores {
  const columns = Object.values(scores);
  return (columns[0] ?? []).map((_, i) =>
    combine(
      columns.map((column) => column[i] as number | null),
      i,
    ),
  );
}

/** Throws a DataError unless a score lies in [0, 1]. */
export function expectUnit(who: string, name: string, score: number): number {
  if (!(score >= 0 && score <= 1)) throw new DataError(who, `${name} must score in [0, 1]; got ${score}`);
  return score;
}
