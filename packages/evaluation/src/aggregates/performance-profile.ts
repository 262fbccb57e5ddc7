import { OptionError } from '@tsrl/core';
import { expectFiniteValues } from '../finite-values.js';
import { expectScores, type Scores, sortedScores, taskMeans } from './scores.js';

/**
 * The performance profile, or run-score distribution: for each τ the share of values that exceed τ. It shows at once
 * what every aggregate hides; a method whose profile is above another's everywhere is better in each of them.
 *
 * @returns one share per τ, in the order given
 * @throws OptionError for another `of`, ShapeError when rows differ in length, DataError for no score, no τ or one that
 * is not finite
 * @see Agarwal et al. 2021, arXiv:2108.13264, section 4.2; Dolan and Moré 2002 for the profile of task means
 */
export function performanceProfile(
  scores: Scores,
  taus: ArrayLike<number>,
  {
    of = 'runs',
  }: {
    /** Whose share: `runs` (default) all scores of runs and tasks, `tasks` the means of the tasks. */
    readonly of?: 'runs' | 'tasks';
  } = {},
): Float64Array {
  const who = 'performanceProfile';
  if (of !== 'runs' && of !== 'tasks') throw new OptionError(who, 'of', "'runs' or 'tasks'", of);
  const tasks = expectScores(who, 'scores', scores);
  expectFiniteValues(who, 'taus', taus);
  const values = of === 'runs' ? sortedScores(scores) : taskMeans(scores, tasks);
  return Float64Array.from(taus, (tau) => values.filter((value) => value > tau).length / values.length);
}
