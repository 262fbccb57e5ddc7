import { DataError, ShapeError } from '@tsrl/core';

/** scores[run][task], higher is better, already normalised where tasks are mixed. A crashed run is scored, not left out. */
export type Scores = readonly ArrayLike<number>[];

/** Throws unless there is a score, all rows have the same length, and every score is finite. Returns how many tasks. */
export function expectScores(who: string, name: string, scores: Scores): number {
  const tasks = scores[0]?.length ?? 0;
  if (tasks === 0) throw new DataError(who, `${name} must have at least one run and one task`);
  scores.forEach((row, run) => {
    if (row.length !== tasks) {
      throw new ShapeError(who, `${name}[${run}]`, `of length ${tasks} like ${name}[0]`, `length ${row.length}`);
    }
    for (let task = 0; task < tasks; task++) {
      if (!Number.isFinite(row[task])) {
        throw new DataError(who, `${name}[${run}][${task}] must be finite; got ${row[task]}`);
      }
    }
  });
  return tasks;
}

/** Mean over runs, per task. */
export function taskMeans(scores: Scores, tasks: number): Float64Array {
  const means = new Float64Array(tasks);
  for (const row of scores) for (let task = 0; task < tasks; task++) means[task]! += row[task] as number;
  return means.map((sum) => sum / scores.length);
}

/** All scores, in ascending order. */
export function sortedScores(scores: Scores): Float64Array {
  return Float64Array.from(scores.flatMap((row) => Array.from(row))).sort();
}
