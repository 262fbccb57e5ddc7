import { createRng } from '@tsrl/core';
import { meanOverTasks, percentileInterval, type Scores, stratifiedBootstrap } from '@tsrl/evaluation';
import type { Analysis, Estimate } from './analysis.js';
import type { CellResult } from './cell.js';

/** Sets with more training examples than this (validation split included), before any damage, tell something about calibration. */
export const ENOUGH = 1000;

/** Expected calibration error of a method under a damage: mean over the sets, before and after temperature scaling. */
export interface Calibration {
  readonly before: Estimate;
  readonly after: Estimate;
  readonly sets: number;
}

/** `null` where the method has no complete result on a set that is large enough. */
export function calibrationOf(analysis: Analysis, method: string, damage: string): Calibration | null {
  const { plan, replicates, score, runs } = analysis;
  const sets = plan.datasets
    .filter((dataset) => score({ dataset, damage }, method)?.failures === 0)
    .filter((dataset) => largest(analysis, dataset) > ENOUGH);
  if (sets.length === 0) return null;
  const columns = sets.map((dataset) => runs({ dataset, damage }, method));
  const estimate = (of: (cell: CellResult) => number): Estimate => {
    const scores: Scores = (columns[0] ?? []).map((_, seed) => columns.map((column) => of(column[seed] as CellResult)));
    const drawn = stratifiedBootstrap([scores], ([own]) => meanOverTasks(own), createRng(0).fork(method), {
      replicates,
    });
    return { estimate: meanOverTasks(scores), interval: drawn && percentileInterval(drawn) };
  };
  return { before: estimate(({ half }) => half.ece), after: estimate(({ scaled }) => scaled.ece), sets: sets.length };
}

/** The training examples of a set, where the fewest are left out. */
const largest = ({ plan, runs }: Analysis, dataset: string): number =>
  Math.max(
    ...plan.damages.flatMap(({ name: damage }) =>
      plan.methods.flatMap(({ name }) => {
        const data = runs({ dataset, damage }, name)[0]?.data;
        return data ? data.train + data.validation : 0;
      }),
    ),
  );
