import type { Screen } from '../screen.js';
import type { RunTask } from './run.js';

/** Overall progress of a study: runs done, cells among them, cells a second, what runs now. */
export interface Progress {
  started(run: Running): void;
  ended(run: Running): void;
  end(): void;
}

/** A run as it is shown. */
export interface Running {
  readonly purpose: RunTask['purpose'] | 'suspects';
  readonly seed: number;
  readonly dataset: string;
  readonly damage: string;
  readonly method: string;
}

export interface Totals {
  /** Tuning runs, cells, and lists of suspects. */
  readonly runs: number;
  readonly cells: number;
  /** Of them, what an earlier session has done. */
  readonly runsDone: number;
  readonly cellsDone: number;
}

export function showProgress(screen: Screen, name: string, totals: Totals): Progress {
  const now = new Set<Running>();
  const began = performance.now();
  let { runsDone, cellsDone } = totals;
  const note = (): string => {
    const seconds = (performance.now() - began) / 1000;
    const rate = (runsDone - totals.runsDone) / Math.max(seconds, 1e-3);
    const running = [...now].map(({ dataset, damage, method, seed }) => `${dataset}/${damage}/${method}/${seed}`);
    return `${cellsDone}/${totals.cells} cells, ${rate.toFixed(2)} runs/s | ${running.join('  ')}`;
  };
  screen.bar(name, totals.runs, runsDone, 'runs');
  return {
    started(run) {
      now.add(run);
      screen.move(runsDone, note());
    },
    ended(run) {
      runsDone++;
      if (run.purpose === 'cell') cellsDone++;
      now.delete(run);
      screen.move(runsDone, note());
    },
    end: () => screen.end(),
  };
}
