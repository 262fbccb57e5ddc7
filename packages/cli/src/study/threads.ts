import { Worker } from 'node:worker_threads';

/** What became of a task. */
export type Outcome<Answer> = { readonly answer: Answer } | { readonly problem: string };

export interface ThreadsOptions<Task, Answer> {
  readonly threads: number;
  /** A module that answers each message, a task, with one message, an `Outcome`. */
  readonly script: URL;
  /** What every thread knows from the start. */
  readonly data: unknown;
  /** The next task, or `undefined` while there is none: it is asked again whenever one has ended. */
  readonly next: () => Task | undefined;
  /** Takes what became of a task; tasks go on meanwhile. */
  readonly done: (task: Task, outcome: Outcome<Answer>) => void | Promise<void>;
  readonly signal?: { readonly aborted: boolean } | undefined;
}

/** A task that has taken two threads with it takes no third. */
const MOST_DEATHS = 2;

/** How often somebody looks whether it should stop. */
const LOOK_MS = 50;

/**
 * Does tasks on threads, one at a time on each, until there is no next one and all are done. A thread that dies is
 * started anew with the task that it had; the second time the task has failed, and the rest goes on.
 *
 * @returns `aborted` when the signal said so: the threads are ended at once, and what they had not handed over is lost
 */
export function onThreads<Task, Answer>(options: ThreadsOptions<Task, Answer>): Promise<'done' | 'aborted'> {
  const { script, data, next, done, signal } = options;
  interface Slot {
    worker: Worker | undefined;
    task: Task | undefined;
    deaths: number;
  }
  const slots: Slot[] = Array.from({ length: options.threads }, () => ({
    worker: undefined,
    task: undefined,
    deaths: 0,
  }));

  return new Promise((resolve, reject) => {
    let ended = false;
    const saving = new Set<Promise<void>>();
    const looking = setInterval(() => {
      if (signal?.aborted) end(() => resolve('aborted'));
    }, LOOK_MS);

    function end(how: () => void): void {
      if (ended) return;
      ended = true;
      clearInterval(looking);
      // What was handed over is taken note of first: whoever is told of the end counts it.
      Promise.all(slots.map(({ worker }) => worker?.terminate()))
        .then(() => Promise.allSettled(saving))
        .then(how, reject);
    }

    function finish(slot: Slot, outcome: Outcome<Answer>): void {
      const task = slot.task as Task;
      slot.task = undefined;
      slot.deaths = 0;
      const noted = Promise.resolve().then(() => done(task, outcome));
      saving.add(noted);
      // What comes next may depend on what this was: it is asked for when this has been taken note of.
      noted.then(
        () => {
          saving.delete(noted);
          feed();
        },
        (error: unknown) => end(() => reject(error)),
      );
    }

    function start(slot: Slot): Worker {
      const worker = new Worker(script, { workerData: data });
      slot.worker = worker;
      const die = (problem: string): void => {
        if (ended || slot.worker !== worker) return;
        slot.worker = undefined;
        if (slot.task === undefined) return;
        slot.deaths++;
        if (slot.deaths < MOST_DEATHS) start(slot).postMessage(slot.task);
        else finish(slot, { problem: `its thread died twice: ${problem}` });
      };
      worker.on('message', (outcome: Outcome<Answer>) => {
        if (!ended && slot.worker === worker && slot.task !== undefined) finish(slot, outcome);
      });
      worker.on('error', (error) => die(error.message));
      worker.on('exit', (code) => die(`exit code ${code}`));
      return worker;
    }

    function feed(): void {
      if (ended) return;
      for (const slot of slots) {
        if (slot.task !== undefined) continue;
        const task = next();
        if (task === undefined) break;
        slot.task = task;
        (slot.worker ?? start(slot)).postMessage(task);
      }
      if (saving.size === 0 && slots.every(({ task }) => task === undefined)) end(() => resolve('done'));
    }

    try {
      feed();
    } catch (error) {
      end(() => reject(error));
    }
  });
}
