import { OptionError } from '@tsrl/core';
import { quantileOfSorted } from '../bootstrap/quantile.js';
import { meanOf } from '../finite-values.js';
import { expectScores, type Scores, sortedScores, taskMeans } from './scores.js';

/**
 * Mean over tasks of the mean over runs. One outlying task can carry it.
 *
 * @throws ShapeError when rows differ in length, DataError for no score or one that is not finite
 * @see Agarwal et al. 2021, arXiv:2108.13264
 */
export function meanOverTasks(scores: Scores): number {
  return meanOf(taskMeans(scores, expectScores('meanOverTasks', 'scores', scores)));
}

/**
 * Median over tasks of the mean over runs. Half of the tasks can be 0 without moving it.
 *
 * @throws as `meanOverTasks`
 * @see Agarwal et al. 2021, arXiv:2108.13264
 */
export function medianOverTasks(scores: Scores): number {
  const tasks = expectScores('medianOverTasks', 'scores', scores);
  return quantileOfSorted(taskMeans(scores, tasks).sort(), 0.5);
}

/**
 * Interquartile mean: the mean of the middle half of all N = runs × tasks scores, ⌊N/4⌋ cut from each end. As robust to
 * outliers as the median and far less uncertain. Of fewer than 4 scores nothing is cut: it is the mean.
 *
 * @throws as `meanOverTasks`
 * @see Agarwal et al. 2021, arXiv:2108.13264, section 4.3
 */
export function interquartileMean(scores: Scores): number {
  expectScores('interquartileMean', 'scores', scores);
  const sorted = sortedScores(scores);
  const cut = Math.floor(sorted.length / 4);
  return meanOf(sorted.subarray(cut, sorted.length - cut));
}

/**
 * Optimality gap: by how much the scores miss γ on average, γ − mean(min(score, γ)). Lower is better; what exceeds γ
 * does not make up for what misses it.
 *
 * @throws as `meanOverTasks`, OptionError when γ is not finite
 * @see Agarwal et al. 2021, arXiv:2108.13264, section 4.3
 */
export function optimalityGap(
  scores: Scores,
  {
    gamma = 1,
  }: {
    /** The score that counts as enough. Default 1. */
    readonly gamma?: number;
  } = {},
): number {
  if (!Number.isFinite(gamma)) throw new OptionError('optimalityGap', 'gamma', 'finite', gamma);
  expectScores('optimalityGap', 'scores', scores);
  return meanOf(sortedScores(scores).map((score) => Math.max(0, gamma - score)));
}
