import type { ReportRun } from '../result.js';

/** A run under the name that the whole page uses for it. */
export interface LabelledRun extends ReportRun {
  readonly label: string;
}

/** The method names a run; where two share it, so does the seed, and then its place on the page. */
export function labelled(runs: readonly ReportRun[]): LabelledRun[] {
  const method = ({ result }: ReportRun): string => result.method;
  const seeded = (run: ReportRun): string => `${method(run)}, seed ${run.result.seed}`;
  const unique = (name: (run: ReportRun) => string, run: ReportRun): boolean =>
    runs.filter((other) => name(other) === name(run)).length === 1;
  return runs.map((run, i) => ({
    ...run,
    label: unique(method, run) ? method(run) : unique(seeded, run) ? seeded(run) : `${seeded(run)}, run ${i + 1}`,
  }));
}
