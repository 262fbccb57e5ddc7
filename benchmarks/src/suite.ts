import type { Measured } from './result.js';

/** A suite is a question and the tasks that answer it. `src/suites/index.ts` lists them all. */
export interface Suite {
  readonly name: string;
  /** What it answers, in a sentence. */
  readonly question: string;
  /** Cheap: nothing is allocated before a task runs. Empty where something is missing, such as `python`. */
  tasks(settings: Settings): Promise<readonly Task[]>;
  /** After the last task, or the first that failed: what tasks keep for each other is given back. */
  end?(): Promise<void>;
}

/** From the command line. */
export interface Settings {
  /** At most so many rounds of each comparison; fewer where a round takes long. */
  readonly rounds: number;
  /** A Python with torch, for the comparison with others. */
  readonly python?: string;
}

export interface Task {
  /** Unique in the suite; `--filter` looks here. */
  readonly name: string;
  /** About how long it takes: what the bar shows is made of these. */
  readonly seconds: number;
  run(): Promise<readonly Measured[]>;
}
