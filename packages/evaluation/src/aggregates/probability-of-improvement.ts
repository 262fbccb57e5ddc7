import { ShapeError } from '@tsrl/core';
import { expectScores, type Scores } from './scores.js';

/**
 * How likely a run of X is to beat a run of Y on the same task, ties counting half, averaged over the tasks:
 *
 *   P(X > Y) = mean over t of U_t / (n_X n_Y),   U_t = #(x > y) + ½ #(x = y)
 *
 * the Mann-Whitney statistic per task. It says how often, not by how much. P(X > Y) + P(Y > X) = 1.
 *
 * @throws ShapeError when rows differ in length or X and Y in tasks, DataError for no score or one that is not finite
 * @see Agarwal et al. 2021, arXiv:2108.13264, section 4.3
 */
export function probabilityOfImprovement(x: Scores, y: Scores): number {
  const who = 'probabilityOfImprovement';
  const tasks = expectScores(who, 'x', x);
  const others = expectScores(who, 'y', y);
  if (others !== tasks) throw new ShapeError(who, 'y', `of ${tasks} tasks like x`, `${others}`);
  let wins = 0;
  for (let task = 0; task < tasks; task++) {
    for (const ours of x) {
      for (const theirs of y) {
        const difference = (ours[task] as number) - (theirs[task] as number);
        wins += difference > 0 ? 1 : difference === 0 ? 0.5 : 0;
      }
    }
  }
  return wins / (tasks * x.length * y.length);
}
